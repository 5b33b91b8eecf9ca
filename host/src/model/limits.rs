//! Every number that bounds something, with its unit. Config may move those that operators have a reason to move.

use std::time::Duration;

/// Characters in the name of a topic, stream, event type or plugin, and bytes in a tag.
pub const NAME_CHARS_MAX: usize = 200;
/// Topics of one server.
pub const TOPICS_MAX: usize = 10_000;
/// Schemas of one topic.
pub const TOPIC_SCHEMAS_MAX: usize = 1_000;

/// Bytes of a request body.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Events in one publish request.
pub const BATCH_EVENTS_MAX: usize = 10_000;
/// Tags on one event.
pub const EVENT_TAGS_MAX: usize = 64;
/// Metadata entries on one event, and bytes in all of them together.
pub const EVENT_METADATA_ENTRIES_MAX: usize = 64;
pub const EVENT_METADATA_BYTES_MAX: usize = 16 << 10;
/// Members of one CloudEvent in JSON: its attributes and its data.
pub const CLOUD_EVENT_MEMBERS_MAX: usize = 100;
/// Faults that a refused CloudEvent or batch of them is answered with; reading ends when so many are found.
pub const CLOUD_EVENT_FAULTS_SHOWN: usize = 100;
/// Bytes of a `tracestate` header that are kept; a longer one is left out.
pub const TRACESTATE_BYTES_MAX: usize = 512;

/// Conditions of one publish request; types and tags of one query.
pub const CONDITIONS_MAX: usize = 100;
pub const QUERY_LABELS_MAX: usize = 100;
/// Bytes of a request with an idempotency key that publishes nothing, and of an answer that is kept for it.
pub const ONCE_BODY_BYTES_MAX: usize = 1 << 20;
pub const ANSWER_KEPT_BYTES_MAX: usize = 1 << 20;
/// Kept answers that are looked at, to forget old ones, each time one is kept.
pub const ANSWERS_SWEPT: usize = 8;
/// Bytes of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// Batches that wait for the writer; one more is answered "busy".
pub const WRITER_QUEUE_BATCHES: usize = 4_096;
/// Payload and header bytes that one committed group may hold; what is queued beyond that goes into the next group.
pub const GROUP_BYTES_MAX: usize = 8 << 20;
/// Size of a log segment file, in bytes, unless one group needs more.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// Bytes of events in memory at which the background task starts to move them into the index.
pub const TAIL_FILL_BYTES: usize = 16 << 20;
/// Bytes of events in memory at which the writer waits for that task.
pub const TAIL_BYTES_MAX: usize = 40 << 20;
/// Segments that deleted events leave in one go; a backup waits that long at most.
pub const SEGMENTS_SCAVENGED: usize = 16;
/// Bytes of log between two entries of the index that say where an event lies: what a lookup reads at least.
pub const STRETCH_BYTES: u64 = 64 << 10;
/// Segment files that are kept open to be read.
pub const SEGMENT_FILES_OPEN: usize = 64;
/// How long an idempotency key is known at least, in milliseconds.
pub const IDEMPOTENCY_KEYS_KEPT_MS: u64 = 24 * 60 * 60 * 1_000;
/// Lookups that are done on a blocking thread after one that had to wait for the disk.
pub const LOOKUPS_WARY: u32 = 256;
/// Places in posting lists that one query looks at where its request runs; if that is not enough it goes to such a thread too.
pub const LOOKUP_STEPS_BRIEF: usize = 16;
/// Bytes of redb's page cache.
pub const REDB_CACHE_BYTES: usize = 48 << 20;
/// Bytes of the page cache for records.
pub const RECORDS_CACHE_BYTES: usize = 8 << 20;
/// Bytes that must be free on disk besides what is to be written, before redb is asked to write: it can't go on after a
/// write that failed.
pub const REDB_ROOM_BYTES: u64 = 16 << 20;
/// Stored bytes of one batch; a bigger one is refused.
pub const BATCH_BYTES_MAX: usize = 256 << 20;
/// Positions in one row of redb's index; bounds what a lookup has to decode.
pub const POSTING_POSITIONS_MAX: usize = 1_024;
/// Stream heads that the writer remembers (twice as many at most), so that it need not ask redb.
pub const STREAM_HEADS_CACHED: usize = 65_536;
/// Record commits that wait for their writer, and that share one transaction; more wait their turn.
pub const RECORDS_QUEUE_COMMITS: usize = 1_024;

/// Events and payload bytes in one page that a log hands up.
pub const PAGE_EVENTS_MAX: usize = 1_000;
pub const PAGE_BYTES_MAX: usize = 1 << 20;
/// Events that a filtered read looks at before it hands up a page, even an empty one.
pub const PAGE_SCANNED_MAX: usize = 20_000;

/// Aggregates whose states are kept at hand, and the bytes of those states; who is not among them is made again from a
/// snapshot and the events after it. In use they may be a few more.
pub const AGGREGATES_CACHED: usize = 32_768;
pub const AGGREGATES_CACHED_BYTES: usize = 64 << 20;
/// Commands that may wait for their turn at one aggregate.
pub const AGGREGATE_COMMANDS_WAITING: usize = 1_024;
/// How long a command is decided again when somebody else wrote to its stream meanwhile. It is a time and not a number of turns:
/// who has to read what the other one wrote is always the slower one, and wins only when the other one rests.
pub const COMMAND_RETRIES_TIME: Duration = Duration::from_secs(5);
/// Events of a stream after which its state is kept as a snapshot, bytes of the largest state that is, and snapshots that are
/// written at a time.
pub const SNAPSHOT_EVERY: u64 = 256;
pub const SNAPSHOT_BYTES_MAX: usize = 1 << 20;
pub const SNAPSHOTS_WRITING_MAX: usize = 64;
/// Bytes of a topic's `stateSchema`.
pub const STATE_SCHEMA_BYTES_MAX: usize = 256 << 10;

/// Followers of one server, requests that wait for events (`wait=`) included.
pub const FOLLOWERS_MAX: usize = 50_000;
/// Events and payload bytes that a follower takes at once from the log: what a slow one holds up in memory.
pub const FOLLOW_PAGE_EVENTS_MAX: usize = 256;
pub const FOLLOW_PAGE_BYTES_MAX: usize = 64 << 10;
/// Events, and their bytes, that are kept at hand for the followers of one topic or store; who is further behind reads the
/// log. And the bytes of all of them together.
pub const LIVE_EVENTS_MAX: usize = 256;
pub const LIVE_BYTES_MAX: usize = 256 << 10;
pub const LIVE_BYTES_ALL_MAX: usize = 64 << 20;
/// Longest silence towards a follower, in milliseconds: then comes a heartbeat.
pub const HEARTBEAT_MS: u64 = 15_000;
/// Wait of a follower before it asks an upcaster again that failed, in milliseconds.
pub const FOLLOW_RETRY_MS: u64 = 1_000;
/// Bytes of a message that a follower's client may send: it has nothing to say but pings.
pub const SOCKET_MESSAGE_BYTES_MAX: usize = 16 << 10;
/// Bytes of the buffers of one socket, and bytes that may wait in it for a client that does not read.
pub const SOCKET_BUFFER_BYTES: usize = 4 << 10;
pub const SOCKET_UNSENT_BYTES_MAX: usize = 4 << 20;
/// Commands of one socket that are executed or wait for it, and the bytes of them, before no more are read.
pub const SOCKET_COMMANDS_MAX: usize = 32;
pub const SOCKET_COMMANDS_BYTES_MAX: usize = 1 << 20;
/// Bytes of the id that a client gives to its command.
pub const COMMAND_ID_BYTES_MAX: usize = 255;
/// Wait of a server that stops for a client that takes nothing of what is written to it, in milliseconds.
pub const STOP_STALL_MS: u64 = 1_000;
/// How often topics are looked at for events that they no longer keep, in milliseconds, unless the settings say otherwise; and
/// the shortest that they may say.
pub const RETENTION_LOOK_MS: u64 = 10_000;
pub const RETENTION_LOOK_MS_MIN: u64 = 10;
/// How often a server that lacks room on the disk looks for it, in milliseconds.
pub const ROOM_LOOK_MS: u64 = 500;
/// Wait for a client to take the word that its socket is closed, in milliseconds.
pub const SOCKET_CLOSE_MS: u64 = 1_000;
/// How long, in milliseconds, and for how many bytes a client is heard out that still sends on a connection that is closed:
/// before that it may not look for the answer.
pub const LINGER_MS: u64 = 5_000;
pub const LINGER_BYTES_MAX: u64 = 64 << 20;
/// Longest `wait` of a read, in seconds.
pub const WAIT_S_MAX: u64 = 60;
/// How long a private cache may keep a page that can't grow, in seconds: not for ever, because retention may take events
/// away and a new upcaster may change their form. What was recorded changes by retention alone.
pub const CLOSED_PAGE_AGE_S: u32 = 60;
pub const CLOSED_PAGE_STORED_AGE_S: u32 = 3_600;

/// Topics and consumers in one AsyncAPI document, and bytes of the topics' schemas.
pub const ASYNCAPI_TOPICS_MAX: usize = 100;
pub const ASYNCAPI_CONSUMERS_MAX: usize = 100;
pub const ASYNCAPI_SCHEMA_BYTES_MAX: usize = 8 << 20;

/// Consumers of one server.
pub const CONSUMERS_MAX: usize = 10_000;
/// Topics of one consumer.
pub const CONSUMER_TOPICS_MAX: usize = 1_000;
/// Events in one delivery, by default and at most.
pub const DELIVERY_EVENTS: usize = 100;
pub const DELIVERY_EVENTS_MAX: usize = 1_000;
/// Attempts for one event, and milliseconds between two of them, that a consumer may ask for.
pub const RETRY_ATTEMPTS_MAX: u32 = 1_000;
pub const RETRY_DELAY_MS_MAX: u64 = 3_600_000;
/// Wait for one delivery's answer, in milliseconds.
pub const DELIVERY_TIMEOUT_MS: u64 = 30_000;

/// Files that a deployment has from elsewhere, and how often one is tried to be fetched before a server does not start.
pub const ARTIFACTS_MAX: usize = 512;
pub const ARTIFACT_ATTEMPTS: u32 = 4;
/// Bytes of a file that describes a topic.
pub const TOPIC_FILE_BYTES_MAX: u64 = 16 << 20;
/// Files in the plugin directory that are looked at.
pub const PLUGINS_MAX: usize = 256;
/// Bytes of a component file.
pub const PLUGIN_FILE_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a side-car file.
pub const SIDECAR_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a receiver's answer that a sink may read.
pub const OUTBOUND_ANSWER_BYTES_MAX: usize = 1 << 20;

/// Bytes that all memories of one guest instance may have together, by default.
pub const GUEST_MEMORY_BYTES: u64 = 64 << 20;
/// Instructions (wasmtime's fuel) of one call to a guest of a pure kind, by default: about a second.
pub const GUEST_FUEL_PER_CALL: u64 = 1_000_000_000;
/// Instructions after which such a guest lets other tasks of its thread run: well under a millisecond.
pub const GUEST_FUEL_PER_SLICE: u64 = 200_000;
/// CPU time of one call to a guest with effects, by default, in milliseconds.
pub const GUEST_CPU_MS_PER_CALL: u64 = 1_000;
/// Length of the slices in which a guest with effects runs and its CPU time is counted, in milliseconds.
pub const GUEST_TICK_MS: u64 = 10;
/// While work goes on beside the requests, the kernel is made to look again at its cores this often, in microseconds.
pub const PULSE_US: u64 = 100;
/// Such work leaves another core to the requests this often, in milliseconds.
pub const PULSE_TURN_MS: u64 = 5_000;
/// With more cores than this a request finds a free one, and nothing of the kind is done.
pub const PULSE_CORES_MAX: usize = 4;
/// Wall time of one call to a guest, by default, in milliseconds: pure kinds, and sinks.
pub const GUEST_CALL_TIMEOUT_MS: u64 = 5_000;
pub const SINK_CALL_TIMEOUT_MS: u64 = 60_000;
/// Wall time of all that tries a new plugin file before it serves, in milliseconds, besides the time to compile it.
pub const PLUGIN_TRIAL_MS: u64 = 30_000;
/// Instances of one sink, by default; of one pure plugin: twice the cores and at least this many.
pub const SINK_INSTANCES: usize = 256;
pub const PURE_INSTANCES_MIN: usize = 4;
/// Instances that are made before a new generation serves.
pub const PREWARMED_INSTANCES: usize = 4;
/// Calls that may wait for an instance of one plugin, by default.
pub const GUEST_QUEUE_CALLS: usize = 1_024;
/// Calls after which an instance is replaced by a fresh one.
pub const INSTANCE_CALLS_MAX: u32 = 10_000;
/// Core instances, memories, tables and table elements of one guest instance.
pub const GUEST_CORE_INSTANCES_MAX: usize = 256;
pub const GUEST_MEMORIES_MAX: usize = 32;
pub const GUEST_TABLES_MAX: usize = 128;
pub const GUEST_TABLE_ELEMENTS_MAX: usize = 1 << 20;
/// Bytes of what one call to a guest gives back, by default.
pub const GUEST_OUTPUT_BYTES: usize = 8 << 20;
/// Lines that one plugin may write to tracing in a second, by default, bytes in each, and fields in each.
pub const GUEST_LOG_LINES_PER_SECOND: u32 = 100;
pub const GUEST_LOG_LINE_BYTES_MAX: usize = 2_048;
pub const GUEST_LOG_FIELDS_MAX: usize = 32;
/// Counters and gauges of one plugin, and bytes in the name of one.
pub const GUEST_METRICS_MAX: usize = 64;
pub const GUEST_METRIC_NAME_BYTES_MAX: usize = 100;
/// Requests that one `send-all` runs side by side, and requests in one `send-all`.
pub const GUEST_REQUESTS_PARALLEL: usize = 32;
pub const GUEST_REQUESTS_MAX: usize = 1_024;
/// Bytes of a request's body and of all its header names and values.
pub const GUEST_REQUEST_BODY_BYTES_MAX: usize = 16 << 20;
pub const GUEST_REQUEST_HEADER_BYTES_MAX: usize = 64 << 10;
/// Bytes of all responses' bodies of one `send-all`.
pub const GUEST_RESPONSES_BYTES_MAX: usize = 16 << 20;
/// Bytes of a response's body, by default.
pub const GUEST_RESPONSE_BYTES: u64 = 1 << 20;
/// Bytes of a key and of a value in a view, and bytes that one call may write to its view.
pub const VIEW_KEY_BYTES_MAX: usize = 1 << 10;
pub const VIEW_VALUE_BYTES_MAX: usize = 1 << 20;
pub const VIEW_WRITE_BYTES_MAX: usize = 32 << 20;
/// Bytes of all keys and values of a view, by default.
pub const VIEW_BYTES: u64 = 1 << 30;
/// Bytes of a view's file that are kept in memory.
pub const VIEW_CACHE_BYTES: usize = 16 << 20;
/// Views that one server keeps.
pub const VIEWS_MAX: usize = 200;
/// Events that a projection or process manager gets at once.
pub const FOLD_EVENTS_MAX: usize = 512;
/// While a view catches up: bytes of writes that are gathered, and for how long, before they are committed and shown; and how
/// long what is shown may take to be durable, in milliseconds.
pub const FOLD_GATHERED_BYTES: u64 = 8 << 20;
pub const VIEW_SHOWN_MS: u64 = 100;
pub const VIEW_DURABLE_MS: u64 = 1_000;
/// Positions behind the head from which on a view that was built takes the place of the one that is read.
pub const SWITCH_LAG_MAX: u64 = 2_000;
/// Errands of a process manager that are looked at together, and that are done side by side.
pub const ERRANDS_AT_ONCE: usize = 256;
pub const ERRANDS_PARALLEL: usize = 32;
/// Events that a view left out, as they are listed.
pub const LETTERS_SHOWN_MAX: usize = 1_000;
/// How long a read waits for a position if it does not say, and at most; and a publisher for inline projections, in
/// milliseconds.
pub const VIEW_WAIT_MS: u64 = 5_000;
pub const VIEW_WAIT_MS_MAX: u64 = 60_000;
pub const INLINE_WAIT_MS: u64 = 5_000;
/// Entries of a view in one answer.
pub const VIEW_ANSWER_ENTRIES_MAX: usize = 1_000;
/// Entries in one page that a guest scans, and about the bytes in it.
pub const VIEW_PAGE_ENTRIES_MAX: usize = 1_000;
pub const VIEW_PAGE_BYTES_MAX: usize = 4 << 20;
/// Actions that one call to a process manager may ask for, and bytes in the key of a timer.
pub const ACTIONS_MAX: usize = 8 * FOLD_EVENTS_MAX;
pub const TIMER_KEY_BYTES_MAX: usize = 1 << 10;
/// Bytes of a secret.
pub const SECRET_BYTES_MAX: u64 = 64 << 10;
/// Bytes of texts that a plugin says of itself, and entries in its lists of interests and wishes.
pub const MANIFEST_TEXT_BYTES_MAX: usize = 8 << 10;
pub const MANIFEST_ENTRIES_MAX: usize = 1_000;
/// A plugin's JSON Schema of its config.
pub const CONFIG_SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// What a new validator, upcaster or decider is tried with: topics, recent events of one topic and (by default) in all,
/// and of each stream's first events for a decider. Differences that are shown.
pub const REHEARSAL_TOPICS_MAX: usize = 64;
pub const REHEARSAL_TOPIC_EVENTS: usize = 64;
pub const REHEARSAL_EVENTS_MAX: usize = 512;
pub const REHEARSAL_STREAM_EVENTS: usize = 256;
pub const REHEARSAL_CHANGES_SHOWN: usize = 10;
/// Generations of a plugin that are kept to go back to, the one that serves included.
pub const PLUGIN_GENERATIONS_KEPT: usize = 3;
/// Components that were rolled back and are not taken again by themselves, of one plugin.
pub const PLUGIN_REFUSED_REMEMBERED: usize = 64;
/// Faults within a window that suspend a plugin, by default; the window and the suspension, in milliseconds.
pub const FAULTS_PER_MINUTE: u32 = 60;
pub const FAULT_WINDOW_MS: u64 = 60_000;
pub const SUSPENSION_MS: u64 = 10_000;
/// How long a new generation is on probation, in milliseconds, and the faults that end it early, if most calls failed.
pub const PROBATION_MS: u64 = 60_000;
pub const PROBATION_FAULTS: u64 = 10;
/// Compiled components that are kept on disk.
pub const COMPILED_ENTRIES_MAX: usize = 64;
