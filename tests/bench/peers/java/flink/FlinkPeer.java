import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.StateTtlConfig;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/** The job on Flink's DataStream API in one process, state in RocksDB, Kafka sink exactly once. */
public final class FlinkPeer {
    private static final int CHECKPOINT_MS = 2000;
    private static final TypeInformation<Tuple2<String, byte[]>> KEYED =
            Types.TUPLE(Types.STRING, Types.PRIMITIVE_ARRAY(Types.BYTE));

    private FlinkPeer() {}

    static final class Engage extends KeyedProcessFunction<String, Tuple2<String, byte[]>, Tuple2<String, byte[]>> {
        private transient Job.Codec codec;
        private transient MapState<String, Boolean> seen;
        private transient MapState<String, Boolean> uniques;
        private transient MapState<Integer, Long> activities;

        @Override
        public void open(OpenContext context) {
            codec = new Job.Codec();
            var identities = new MapStateDescriptor<>("seen", Types.STRING, Types.BOOLEAN);
            identities.enableTimeToLive(
                    StateTtlConfig.newBuilder(Duration.ofDays(8)).cleanupInRocksdbCompactFilter(100_000).build());
            seen = getRuntimeContext().getMapState(identities);
            uniques = getRuntimeContext().getMapState(new MapStateDescriptor<>("uniques", Types.STRING, Types.BOOLEAN));
            activities = getRuntimeContext().getMapState(new MapStateDescriptor<>("activities", Types.INT, Types.LONG));
        }

        @Override
        public void processElement(
                Tuple2<String, byte[]> record, Context context, Collector<Tuple2<String, byte[]>> out) throws Exception {
            Job.DONE.increment();
            Job.Event event = codec.decode(record.f1);
            if (!isFirst(seen, event.source() + "|" + event.id())) return;
            boolean open = event.isOpen() && isFirst(uniques, "o" + about(event));
            boolean click = event.isClick() && isFirst(uniques, "c" + about(event));
            long activity = event.isActivity ? count(event.month()) : 0;
            out.collect(Tuple2.of(record.f0, codec.encode(open, click, activity)));
        }

        private static String about(Job.Event event) {
            return event.profile() + "|" + event.message() + "|" + event.channel;
        }

        private static boolean isFirst(MapState<String, Boolean> state, String key) throws Exception {
            if (state.contains(key)) return false;
            state.put(key, Boolean.TRUE);
            return true;
        }

        private long count(int month) throws Exception {
            Long before = activities.get(month);
            long now = before == null ? 1 : before + 1;
            activities.put(month, now);
            return now;
        }
    }

    static final class Read implements KafkaRecordDeserializationSchema<Tuple2<String, byte[]>> {
        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Tuple2<String, byte[]>> out) {
            out.collect(Tuple2.of(new String(record.key(), StandardCharsets.ISO_8859_1), record.value()));
        }

        @Override
        public TypeInformation<Tuple2<String, byte[]>> getProducedType() {
            return KEYED;
        }
    }

    static final class Write implements KafkaRecordSerializationSchema<Tuple2<String, byte[]>> {
        @Override
        public ProducerRecord<byte[], byte[]> serialize(
                Tuple2<String, byte[]> event, KafkaSinkContext context, Long timestamp) {
            return new ProducerRecord<>(Job.OUT, event.f0.getBytes(StandardCharsets.ISO_8859_1), event.f1);
        }
    }

    private static Configuration settings() {
        Configuration c = new Configuration();
        c.setString("state.backend.type", "rocksdb");
        c.setString("state.backend.rocksdb.use-bloom-filter", "true");
        c.setString("state.backend.rocksdb.localdir", Job.STATE.resolve("rocksdb").toString());
        c.setString("taskmanager.memory.managed.size", "768m");
        c.setString("execution.checkpointing.dir", Job.STATE.resolve("checkpoints").toUri().toString());
        c.setString("execution.checkpointing.incremental", "true");
        c.setString("execution.checkpointing.interval", CHECKPOINT_MS + " ms");
        c.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
        c.setString("execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION");
        c.setString("pipeline.object-reuse", "true");
        c.setString("pipeline.generic-types", "false");
        return c;
    }

    public static void main(String[] args) throws Exception {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(1, settings());
        env.setMaxParallelism(128);
        KafkaSource<Tuple2<String, byte[]>> source = KafkaSource.<Tuple2<String, byte[]>>builder()
                .setBootstrapServers(Job.BOOTSTRAP).setTopics(Job.TOPICS).setGroupId(Job.APP)
                .setStartingOffsets(OffsetsInitializer.earliest()).setDeserializer(new Read())
                .setProperties(Job.consumer()).build();
        KafkaSink<Tuple2<String, byte[]>> sink = KafkaSink.<Tuple2<String, byte[]>>builder()
                .setBootstrapServers(Job.BOOTSTRAP).setRecordSerializer(new Write())
                .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE).setTransactionalIdPrefix(Job.APP)
                .setKafkaProducerConfig(Job.producer()).setProperty("transaction.timeout.ms", "600000").build();
        env.fromSource(source, WatermarkStrategy.noWatermarks(), "events").uid("events")
                .keyBy(event -> event.f0, Types.STRING).process(new Engage()).returns(KEYED).uid("engage")
                .sinkTo(sink).uid("out");
        Job.report();
        env.execute(Job.APP);
    }
}
