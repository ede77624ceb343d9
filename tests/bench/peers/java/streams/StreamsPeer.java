import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;

/** The job on Kafka Streams' Processor API, exactly_once_v2, state in RocksDB with changelog topics. */
public final class StreamsPeer {
    private static final byte[] PRESENT = {1};
    private static final long WINDOW_MS = Duration.ofDays(8).toMillis();

    private StreamsPeer() {}

    static final class Engage implements Processor<byte[], byte[], byte[], byte[]> {
        private final Job.Codec codec = new Job.Codec();
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<byte[], byte[]> seen;
        private KeyValueStore<byte[], byte[]> uniques;
        private KeyValueStore<byte[], Long> activities;

        @Override
        public void init(ProcessorContext<byte[], byte[]> given) {
            context = given;
            seen = given.getStateStore("seen");
            uniques = given.getStateStore("uniques");
            activities = given.getStateStore("activities");
            given.schedule(Duration.ofHours(1), PunctuationType.STREAM_TIME, this::expire);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            Job.DONE.increment();
            Job.Event event = codec.decode(record.value());
            byte[] identity = Job.key('s', event.account(), event.source(), event.id());
            if (seen.putIfAbsent(identity, Job.bytes(record.timestamp())) != null) return;
            boolean open = event.isOpen() && isFirst('o', event);
            boolean click = event.isClick() && isFirst('c', event);
            long activity = event.isActivity ? count(event) : 0;
            context.forward(record.withValue(codec.encode(open, click, activity)));
        }

        private boolean isFirst(char kind, Job.Event event) {
            byte[] key = Job.key(kind, event.account(), event.profile(), event.message(), event.channel);
            return uniques.putIfAbsent(key, PRESENT) == null;
        }

        private long count(Job.Event event) {
            byte[] month = Job.key('m', event.account(), event.month());
            Long before = activities.get(month);
            long now = before == null ? 1 : before + 1;
            activities.put(month, now);
            return now;
        }

        private void expire(long now) {
            try (KeyValueIterator<byte[], byte[]> all = seen.all()) {
                while (all.hasNext()) {
                    var entry = all.next();
                    if (ByteBuffer.wrap(entry.value).getLong() < now - WINDOW_MS) seen.delete(entry.key);
                }
            }
        }
    }

    /** One block cache for all, Bloom filters: what is looked up for the first time is not searched on disk. */
    public static final class Rocks implements RocksDBConfigSetter {
        private static final Cache CACHE = new LRUCache(256L << 20);

        @Override
        public void setConfig(String store, Options options, Map<String, Object> configs) {
            BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
            table.setBlockCache(CACHE);
            table.setFilterPolicy(new BloomFilter(10, false));
            table.setCacheIndexAndFilterBlocks(true);
            table.setPinL0FilterAndIndexBlocksInCache(true);
            options.setTableFormatConfig(table);
            options.setWriteBufferSize(32L << 20);
        }

        @Override
        public void close(String store, Options options) {}
    }

    private static <V> StoreBuilder<KeyValueStore<byte[], V>> store(String name, Serde<V> serde, boolean isCached) {
        var builder = Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), Serdes.ByteArray(), serde)
                .withLoggingEnabled(Map.of("segment.bytes", "268435456"));
        return isCached ? builder.withCachingEnabled() : builder.withCachingDisabled();
    }

    private static Properties settings() {
        Properties c = new Properties();
        c.put(StreamsConfig.APPLICATION_ID_CONFIG, Job.APP);
        c.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, Job.BOOTSTRAP);
        c.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        c.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, "1");
        c.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, "1000");
        c.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, "67108864");
        c.put(StreamsConfig.STATE_DIR_CONFIG, Job.STATE.toString());
        c.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, Rocks.class);
        c.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, "2000");
        c.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
        Job.consumer().forEach((name, value) -> c.put(StreamsConfig.consumerPrefix((String) name), value));
        Job.producer().forEach((name, value) -> c.put(StreamsConfig.producerPrefix((String) name), value));
        c.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        return c;
    }

    public static void main(String[] args) {
        Topology topology = new Topology();
        topology.addSource("in", new ByteArrayDeserializer(), new ByteArrayDeserializer(), Job.TOPICS.toArray(String[]::new));
        topology.addProcessor("engage", Engage::new, "in");
        topology.addStateStore(store("seen", Serdes.ByteArray(), false), "engage");
        topology.addStateStore(store("uniques", Serdes.ByteArray(), false), "engage");
        topology.addStateStore(store("activities", Serdes.Long(), true), "engage");
        topology.addSink("out", Job.OUT, new ByteArraySerializer(), new ByteArraySerializer(), "engage");
        KafkaStreams streams = new KafkaStreams(topology, settings());
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(15))));
        Job.report();
        streams.start();
    }
}
