import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.atomic.LongAdder;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/** What both JVM peers share: where the job is, Avro, keys, tuning of the Kafka clients, the line of progress. */
final class Job {
    static final String BOOTSTRAP = System.getProperty("bootstrap");
    static final Path FOLDER = Path.of(System.getProperty("job"));
    static final Path STATE = Path.of(System.getProperty("state"));
    static final String APP = System.getProperty("app");
    static final String OUT = System.getProperty("out");
    static final List<String> TOPICS = List.of(System.getProperty("topics").split(","));
    static final LongAdder DONE = new LongAdder();
    static final int REPORT_MS = 250;
    private static final int FRAME_BYTES = 5;
    private static final byte[] FRAME = {0, 0, 0, 0, 9};

    private Job() {}

    static Schema schema(String file) {
        return new Schema.Parser().parse(text(file));
    }

    static String text(String file) {
        try {
            return Files.readString(FOLDER.resolve(file));
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    /** An event as the job needs it; a view on the record that was decoded last. */
    static final class Event {
        private final int account, source, id, type, occurredAt, profile, message;
        private final Set<String> activities = Set.copyOf(text("activities.txt").lines().toList());
        GenericRecord record;
        String channel;
        String verb;
        boolean isActivity;

        Event(Schema schema) {
            account = schema.getField("account_id").pos();
            source = schema.getField("source").pos();
            id = schema.getField("event_id").pos();
            type = schema.getField("type").pos();
            occurredAt = schema.getField("occurred_at").pos();
            profile = schema.getField("profile_id").pos();
            message = schema.getField("message_id").pos();
        }

        Event of(GenericRecord decoded) {
            record = decoded;
            String name = decoded.get(type).toString();
            int end = name.indexOf('_');
            channel = name.substring(0, end);
            verb = name.substring(end + 1);
            isActivity = activities.contains(name);
            return this;
        }

        Object account() {
            return record.get(account);
        }

        Object source() {
            return record.get(source);
        }

        Object id() {
            return record.get(id);
        }

        Object profile() {
            return record.get(profile);
        }

        Object message() {
            return record.get(message);
        }

        boolean isOpen() {
            return verb.equals("opened");
        }

        boolean isClick() {
            return verb.equals("clicked");
        }

        /** Months since year 0, in UTC. */
        int month() {
            LocalDate day = LocalDate.ofEpochDay(Math.floorDiv((Long) record.get(occurredAt), 86_400_000_000L));
            return day.getYear() * 12 + day.getMonthValue() - 1;
        }
    }

    /** Decodes and encodes one event at a time; objects are reused, one codec for each thread. */
    static final class Codec {
        private final Schema in = schema("channel.avsc");
        private final Schema out = schema("enriched.avsc");
        private final GenericDatumReader<GenericRecord> reader = new GenericDatumReader<>(in);
        private final GenericDatumWriter<GenericRecord> writer = new GenericDatumWriter<>(out);
        private final GenericRecord enriched = new GenericData.Record(out);
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(512);
        private final int fields = in.getFields().size();
        private final Event event = new Event(in);
        private GenericRecord record;
        private BinaryDecoder decoder;
        private BinaryEncoder encoder;

        Event decode(byte[] framed) {
            try {
                int length = framed.length - FRAME_BYTES;
                decoder = DecoderFactory.get().binaryDecoder(framed, FRAME_BYTES, length, decoder);
                record = reader.read(record, decoder);
                return event.of(record);
            } catch (IOException error) {
                throw new IllegalStateException(error);
            }
        }

        /** The event last decoded with what was found; activity 0: it is none. */
        byte[] encode(boolean uniqueOpen, boolean uniqueClick, long activity) {
            try {
                for (int i = 0; i < fields; i++) enriched.put(i, record.get(i));
                enriched.put(fields, uniqueOpen);
                enriched.put(fields + 1, uniqueClick);
                enriched.put(fields + 2, activity);
                bytes.reset();
                bytes.write(FRAME, 0, FRAME.length);
                encoder = EncoderFactory.get().directBinaryEncoder(bytes, encoder);
                writer.write(enriched, encoder);
                return bytes.toByteArray();
            } catch (IOException error) {
                throw new IllegalStateException(error);
            }
        }
    }

    static byte[] key(char kind, Object... parts) {
        StringBuilder text = new StringBuilder(96).append(kind);
        for (Object part : parts) text.append(part).append('|');
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    static byte[] bytes(long value) {
        return ByteBuffer.allocate(Long.BYTES).putLong(value).array();
    }

    static Properties producer() {
        Properties p = new Properties();
        p.put("linger.ms", "50");
        p.put("batch.size", "262144");
        p.put("compression.type", "lz4");
        p.put("buffer.memory", "67108864");
        return p;
    }

    static Properties consumer() {
        Properties p = new Properties();
        p.put("max.poll.records", "5000");
        p.put("fetch.min.bytes", "262144");
        p.put("fetch.max.wait.ms", "100");
        p.put("max.partition.fetch.bytes", "1048576");
        return p;
    }

    /** A line every quarter of a second: "P", and the events processed since the start. */
    static void report() {
        Thread thread = new Thread(() -> {
            try {
                for (;;) {
                    Thread.sleep(REPORT_MS);
                    System.out.println("P " + DONE.sum());
                }
            } catch (InterruptedException end) {
                Thread.currentThread().interrupt();
            }
        });
        thread.setDaemon(true);
        thread.start();
    }
}
