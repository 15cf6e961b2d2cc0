//! Every bound in the program, its unit last in its name, its reason beside it.

use std::time::Duration;

// -- The file as data

/// Bytes one source may bring into one batch, so that a busy file can't starve a quiet one; also the size at
/// which a batch is full and is no longer waited with.
pub const TURN_BYTES: usize = 256 * 1024;

/// Bytes already read that every read takes in once more, to see that the file is still the one we think.
pub const OVERLAP_BYTES: usize = 64;

/// First bytes of a generation that its ids are checked against: past the banner that many logs begin with.
pub const HEAD_CHECKED_BYTES: usize = 256;

/// Last bytes before a place that its id is checked against.
pub const TAIL_CHECKED_BYTES: usize = 64;

/// Of what Docker says of a container, as much is read; some 10 KB are usual.
pub const CONTAINER_CONFIG_BYTES: u64 = 1024 * 1024;

/// Stored bytes after which an unfinished line of records is shown as it is, in lines of `--max-line`, and besides: JSON
/// makes up to six bytes of one. Whoever begins to read looks back that far for the parts of a line.
pub const OPEN_LINE_FACTOR: usize = 8;

/// See [`OPEN_LINE_FACTOR`].
pub const OPEN_LINE_BYTES: usize = 64 * 1024;

/// What is unfinished at the end of a batch is noted in it up to that size: else who goes on there looks back for it.
pub const OPEN_SHARED_BYTES: usize = 1024;

/// How much further one looks back for them, since a line is shown only as the next record comes.
pub const OPEN_LINE_SLACK_BYTES: usize = 4 * 1024;

/// Files that are looked back through for the parts of a line that goes on in the one that is read: where a rotation comes
/// every few kB (Docker's `max-size=10k`), a line goes through several, and empty ones may lie between.
pub const CARRY_FILES_MAX: usize = 32;

/// A larger compressed file is not inflated for the end of its last line: the watcher waits for that, some 30 ms.
pub const CARRY_COMPRESSED_BYTES_MAX: u64 = 1024 * 1024;

/// And so much of what it holds: ratios over 64 are those of bombs.
pub const CARRY_INFLATED_BYTES_MAX: u64 = 64 * CARRY_COMPRESSED_BYTES_MAX;

/// Block in which a file is read backwards to find its last lines.
pub const BACK_BLOCK_BYTES: usize = 64 * 1024;

/// Bytes that are read backwards for the last newline of a file at the start, and no more: a tenth of a second.
pub const START_BACK_BYTES: u64 = 64 * 1024 * 1024;

/// How long the directories of a followed file are looked through for a rotated one: a million entries.
pub const DIRECTORY_TIME: Duration = Duration::from_secs(2);

/// How long ago a directory must have changed for one listing of it to be trusted: more than the coarsest clock of a file
/// system ticks (two seconds: FAT), or a change while it was listed would not show.
pub const DIRECTORY_RESTS: Duration = Duration::from_secs(3);

/// `--lines`, where neither that nor `--since` is given.
pub const LINES_DEFAULT: u64 = 10;

/// Bytes at a file's beginning whose lines settle in which form its times stand.
pub const TIME_VOTE_BYTES: usize = 64 * 1024;

/// First read at each halving of a file in which a moment is looked for: a line or a few.
pub const HALVING_READ_BYTES: u64 = 4 * 1024;

/// Halving a file ends when so little is left.
pub const HALVED_BYTES_MIN: u64 = 64 * 1024;

/// As far as a line may stand from its place by time, and is still found.
pub const UNSORTED_BYTES_MAX: u64 = 1024 * 1024;

/// Largest read where a moment is looked for line by line.
pub const SINCE_READ_BYTES: u64 = 256 * 1024;

/// How far before the place to which halving has led a moment is looked for at first: a little more than a line may stand
/// from its place, since lines without a time prove nothing, and with what halving leaves as much as five reads bring.
pub const LIKELY_BACK_BYTES: u64 = 5 * SINCE_READ_BYTES - HALVED_BYTES_MIN;

/// Of a longer line only so much is read for its time.
pub const DATED_LINE_BYTES_MAX: u64 = 1024 * 1024;

/// Moments at which it is noted where a file stood: more of the younger ones, fewer of the older ones.
pub const ARRIVALS_MAX: usize = 512;

/// Bytes in the name of a journal's field, as journald has it (systemd.journal-fields(7)).
pub const JOURNAL_FIELD_NAME_BYTES: usize = 64;

/// Bytes of an entry's message that are shown; journald takes some hundred MiB.
pub const JOURNAL_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of another field that are compared or shown.
pub const JOURNAL_FIELD_BYTES: usize = 64 * 1024;

/// A field that is longer is no field: journald's own bound (DATA_SIZE_MAX).
pub const JOURNAL_FIELD_BYTES_MAX: u64 = 768 * 1024 * 1024;

/// Fields of an entry that are kept, of those that are asked for: some may stand there more than once.
pub const JOURNAL_FIELDS_MAX: usize = 256;

/// Entries of the journal that a source begins with.
pub const JOURNAL_FIRST_ENTRIES: u64 = 10_000;

/// After so long without a word from journalctl it is asked whether there is anything to tell: one in a while hangs.
pub const JOURNAL_SILENT: Duration = Duration::from_secs(15);

/// How long an entry that is there may be on its way: journald posts changes at most every 250 ms.
pub const JOURNAL_LATE: Duration = Duration::from_secs(3);

/// Between two looks at a journal without entries.
pub const JOURNAL_EMPTY_WAIT: Duration = Duration::from_secs(2);

/// What a journalctl says on standard error is kept up to that size.
pub const COMPLAINT_BYTES: usize = 4096;

/// How often a feeder notes how far it is, while something comes: after a crash so much is read again at most.
pub const NOTE_EVERY: Duration = Duration::from_secs(1);

/// Symbolic links followed on one path, as the kernel counts them (path_resolution(7)).
pub const LINKS_MAX: usize = 40;

// -- Spools and their feeders

/// `--spool-size`: what a source may keep on the disk. Two files of half of it.
pub const SPOOL_DEFAULT: &str = "64M";

/// Less would be rotated every few lines.
pub const SPOOL_MIN_BYTES: u64 = 64 * 1024;

/// More is no number that a disk has.
pub const SPOOL_MAX_BYTES: u64 = 1 << 50;

/// Bytes in the name of a spool's directory before it is cut and told apart by a hash; with that and its ending it stays
/// under the 255 that file systems take.
pub const SPOOL_NAME_BYTES: usize = 200;

/// Names that are tried for a temporary store: killed daemons may have left some with our process id.
pub const TEMPORARY_TRIES_MAX: u32 = 100;

/// The file of pairs beside a spool is begun anew when it is that long.
pub const PLACES_FILE_BYTES: u64 = 64 * 1024;

/// Pairs that are kept then: the newest may be one of bytes that a power cut has taken.
pub const PLACES_KEPT: usize = 16;

/// While nothing can be written to a spool, clients are told that often how much was lost; where nothing more comes, that
/// soon.
pub const LOST_TOLD_EVERY: Duration = Duration::from_secs(2);

/// How long the start waits for what origins have already, so that it is there for the first client.
pub const FIRST_FEED_WAIT: Duration = Duration::from_secs(5);

/// One read of a pipe.
pub const PIPE_READ_BYTES: usize = 256 * 1024;

/// What a pipe holds, if the kernel lets us (its usual bound for users, /proc/sys/fs/pipe-max-size).
pub const PIPE_BYTES: i32 = 1024 * 1024;

/// The beginning of a line waits in memory for its end up to that size: longer lines are cut anyway.
pub const FRAGMENT_BYTES: usize = 256 * 1024;

/// Characters of a gap's reason that are kept over a restart: another tailcast may have said anything.
pub const REASON_CHARS: usize = 200;

/// How long a broker keeps what is published while we are away.
pub const BROKER_SESSION_SECONDS: u32 = 7 * 24 * 3600;

/// Files of which is remembered how far they were taken, for each name that is followed at a broker: a publisher that is
/// killed begins again where it was a second ago, which is some rotations at most. Each costs some 40 bytes.
pub const PUBLISHED_FILES_KEPT: usize = 16;

/// A message of a broker that is longer is none of a tailcast's.
pub const SUBSCRIBED_PACKET_BYTES: usize = 16 * 1024 * 1024;

/// How often it is looked whether another FIFO stands under the name.
pub const FIFO_LOOK: Duration = Duration::from_secs(1);

// -- Data channels

/// An offer is some kilobytes.
#[cfg(feature = "webrtc")]
pub const OFFER_BYTES_MAX: usize = 64 * 1024;

/// Peers whose data channel is not open yet; each costs two threads.
#[cfg(feature = "webrtc")]
pub const RTC_UNOPENED_MAX: usize = 64;

/// A peer whose data channel is not open yet, and from which nothing was heard for so long, makes room for another one.
#[cfg(feature = "webrtc")]
pub const RTC_SILENT: Duration = Duration::from_secs(2);

/// How long a data channel may take to open. A browser gives up after some 15 s.
#[cfg(feature = "webrtc")]
pub const RTC_OPENING: Duration = Duration::from_secs(20);

/// Datagrams that wait for one peer's thread: a burst of acknowledgements. More are lost, and sent again.
#[cfg(feature = "webrtc")]
pub const RTC_WAITING: usize = 256;

/// The largest datagram that is read: more than an Ethernet frame holds.
#[cfg(feature = "webrtc")]
pub const RTC_DATAGRAM_BYTES: usize = 2048;

/// Bytes of messages that wait in a data channel: two of the longest parts.
#[cfg(feature = "webrtc")]
pub const RTC_BUFFER_BYTES: usize = 512 * 1024;

/// What a chunk of SCTP holds: a datagram of 1,150 bytes, less the heads of SCTP and DTLS.
#[cfg(feature = "webrtc")]
pub const RTC_CHUNK_BYTES: usize = 1062;

/// What stands before each chunk.
#[cfg(feature = "webrtc")]
pub const RTC_CHUNK_HEAD_BYTES: usize = 16;

/// Datagrams that are under way to a peer that is near, and a message more: four pairs, for a peer acknowledges each pair
/// at once. A line of 120 bytes costs 3.4 us of CPU with 8 of them or with 4, 4.5 with 16, and 100 to 200 with 500.
#[cfg(feature = "webrtc")]
pub const RTC_DATAGRAMS_MIN: usize = 8;

/// Datagrams that are under way to a peer that is far: 10,000 lines a second at a round trip of 100 ms.
#[cfg(feature = "webrtc")]
pub const RTC_DATAGRAMS_MAX: usize = 128;

/// Between the two, so many for each millisecond until a message is acknowledged.
#[cfg(feature = "webrtc")]
pub const RTC_DATAGRAMS_A_MS: usize = 2;

/// A longer message comes in parts, whatever the peer takes.
#[cfg(feature = "webrtc")]
pub const RTC_PART_BYTES: usize = 256 * 1024;

/// The send and receive buffers of the one socket.
#[cfg(feature = "webrtc")]
pub const RTC_SOCKET_BYTES: usize = 2 * 1024 * 1024;

/// Addresses of this machine that are offered to a peer.
#[cfg(feature = "webrtc")]
pub const RTC_CANDIDATES_MAX: usize = 8;

/// Addresses of one peer whose datagrams are handed to it: it may have several ways here.
#[cfg(feature = "webrtc")]
pub const RTC_ADDRESSES_MAX: usize = 8;

/// Two ping intervals count as so long at least, until a peer of which nothing is heard counts as gone: a browser to which
/// nothing is said speaks every 2.5 s (Chromium) to 6 s (RFC 7675).
#[cfg(feature = "webrtc")]
pub const RTC_SILENCE_MIN: Duration = Duration::from_secs(10);

/// How long a peer that is done may take to have the last of its messages, and then the goodbye.
#[cfg(feature = "webrtc")]
pub const RTC_GOODBYE: Duration = Duration::from_secs(1);

/// What is read at a time of the stream that goes into a data channel.
#[cfg(feature = "webrtc")]
pub const RTC_READ_BYTES: usize = 32 * 1024;

// -- The hub

/// Generations behind the live edge that are kept open for readers that lag.
pub const GENERATIONS_BEHIND_MAX: usize = 4;

/// Generations of a source that nobody holds open any more and that are remembered, so that a straggler can read them
/// where they still stand beside the followed file, or be told how many bytes it lost; about 150 bytes each.
pub const GENERATIONS_REMEMBERED_MAX: usize = 256;

/// Generations that were found by rotations and are not yet read; 200 bytes each. multilog at the speed of a pipe makes
/// some 100 in one look.
pub const GENERATIONS_AHEAD_MAX: usize = 4096;

/// How many of them are held open; the others are opened when their turn comes.
pub const GENERATIONS_OPEN_MAX: usize = 32;

/// Of those that come next it is watched whether they are truncated before they are read.
pub const SUCCESSORS_SEEN: usize = 8;

/// How long a generation behind the live edge is kept after its last reader moved: a deleted file that is held
/// open holds its disk space.
pub const GENERATION_KEPT: Duration = Duration::from_secs(180);

/// Asides (events beside the bytes) of one source that readers that lag can still be told.
pub const ASIDES_MAX: usize = 16;

/// Bytes that are published and still queued anywhere; over it the subscriber that holds the oldest batch reads
/// the file instead. What is not queued of it is the shelf's, for chunks that have left the queues or were read lately, wire
/// forms included: a hundred clients that fall back together find some dozens of chunks there.
pub const QUEUED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Smaller chunks are not kept on the shelf: who catches up writes each chunk by itself. Half of what a reader takes at
/// least.
pub const SHELF_CHUNK_BYTES_MIN: usize = CHUNK_BYTES_MIN / 2;

/// Who catches up and finds its lines on the shelf takes that many bytes of them for one write: more than a socket takes
/// that has just found room again. What it does not take is let go of.
pub const SHELF_RUN_BYTES: usize = 256 * 1024;

/// What a stream keeps of each of its files while it reads them, at most: its place there, and the bytes before it that show
/// that the file is still the one that was read. With it a client of 1,000 files takes 230 KiB while it is behind. One that is
/// live keeps nothing of any file; of several files by `/events`, 48 bytes of each, since every id names its place in all.
pub const PLACE_BYTES: usize = 208;

/// What may be left to read when a reader registers: it then reads the rest while its queue already fills.
pub const JOIN_BYTES_MAX: u64 = 256 * 1024;

/// How long a client waits for a look of the watcher that it asked for. A watcher that takes longer is stuck.
pub const LOOK_WAIT: Duration = Duration::from_secs(5);

/// A sign of life of the watcher that is so young is not asked for again: a flood of questions must not keep it busy.
pub const PULSE_FRESH: Duration = Duration::from_secs(1);

// -- What systemd is told

/// Least time between two status lines: each wakes systemd, and who waits for a change of it on the bus.
pub const STATUS_EVERY: Duration = Duration::from_secs(2);

// -- What the system allows

/// Threads beside those of connections: main, signals, watcher, door, couriers, and room for a publisher or two.
pub const THREADS_OWN: u64 = 16;

/// Descriptors beside those of connections and files: listeners, epoll, inotify, wake-ups, log, directories that are
/// listed.
pub const DESCRIPTORS_OWN: u64 = 64;

/// Descriptors that streams leave for answers (`/healthz`, the 503 of those that are too many) and for files that are
/// opened anew, as after a rotation.
pub const DESCRIPTORS_SPARE: i32 = 32;

/// Descriptors that files leave, however many there are: one for the door to accept with, and those of a few answers.
pub const DESCRIPTORS_FOR_ANSWERS: u64 = 8;

/// How often it is said that there are no descriptors or threads for clients.
pub const SHORTAGE_SAID_EVERY: Duration = Duration::from_secs(60);

// -- The log

/// Lines that one place in the code may log in a row.
pub const LOG_BURST: u32 = 20;

/// From then on it may log one line each so often, as long as it goes on.
pub const LOG_EVERY: Duration = Duration::from_secs(30);

/// Names of files in one line of the log, at most.
pub const LOG_NAMES_MAX: usize = 3;

/// Files and places whose lines are limited one by one; what comes beyond shares the limit of its place. Some 100 bytes
/// each.
pub const LOG_FILES_MAX: usize = 4_096;

// -- The couriers

/// Couriers at most; beyond a few, the socket writes contend in the kernel more than they gain.
pub const COURIERS_MAX: usize = 3;

/// Subscribers that one courier takes at a time: what the couriers share is then touched once for all of them.
pub const LINKS_AT_A_TIME: usize = 8;

// -- Catching up

/// How long a turn at reading or filtering lasts; then the next in line has it.
pub const PERMIT_TURN: Duration = Duration::from_millis(10);

/// How long who reads history or looks back in it works before it lets others have the core. On two cores its time slices
/// of 4 ms held up clients that wait for live lines by as much; with this the longest such delay was 0.5 ms. Where nobody
/// waits, that costs under a microsecond.
pub const GIVES_WAY_EVERY: Duration = Duration::from_micros(200);

/// Clients that may read history at once where there are fewer cores.
pub const PERMIT_TURNS_MIN: usize = 2;

/// Bytes that all catching-up clients together read at a time, shared out among them. Those that came first hold more
/// than their share until they have written it, so that a thousand that come one after the other hold some five times
/// this: with 8 MiB the 1,000 clients of the benchmark `halted` add up to 65 MB, with 4 MiB up to 57.
pub const CHUNKS_BYTES: usize = 4 * 1024 * 1024;

/// Least and most bytes that one client reads at a time while it catches up.
pub const CHUNK_BYTES_MIN: usize = 16 * 1024;
/// See [`CHUNK_BYTES_MIN`].
pub const CHUNK_BYTES_MAX: usize = 256 * 1024;

// -- The watcher

/// The slow safety look: every source is looked at this often even if no event says so (lost events, file systems
/// without inotify).
pub const SAFETY_LOOK: Duration = Duration::from_secs(3);

/// The same where every watch is in place on a file system that is known to send all its events: it then only guards
/// against what sends none, such as a mount over a part of the path.
pub const SAFETY_LOOK_TRUSTED: Duration = Duration::from_secs(60);

/// How long a name is tried again that often; then the safety look and the events have to do.
pub const RETRIED_FOR: Duration = Duration::from_secs(10);

/// Buffer for the kernel's events: some hundreds of them a read.
pub const EVENTS_BYTES: usize = 16 * 1024;

/// Reads of events in one pass; what is left is taken in the next, so that a storm of events can't keep the watcher
/// from the files.
pub const EVENT_READS_MAX: usize = 64;

/// How long files that were written to are read in one pass. With what else a pass does, another file's line waits no
/// longer than 50 ms: it comes after the rest of one pass and the beginning of the next.
pub const WRITTEN_TIME: Duration = Duration::from_millis(8);

/// How long names that have changed are looked at in one pass.
pub const NAMES_TIME: Duration = Duration::from_millis(8);

/// How long files are given up in one pass that are other names' now, before those look.
pub const GIVE_UP_TIME: Duration = Duration::from_millis(4);

/// The part of their time that names and patterns get in a pass that has lines to publish, or more events to take: so
/// much that they are never kept waiting for good.
pub const PRESSED_PART: u32 = 4;

/// Times that are taken in one pass, where thousands have come in one moment: a millisecond's work.
pub const TIMES_MAX: usize = 1024;

/// Files that have brought lines last and are looked at without an event while thousands of events wait: more than a pass
/// gets through, and a millisecond's work.
pub const LATELY_MAX: usize = 256;

/// How long the directories of patterns are looked through in one pass.
pub const SCAN_TIME: Duration = Duration::from_millis(5);

/// Names of a directory that are looked at for a pattern before the time is asked again.
pub const ENTRIES_AT_A_TIME: usize = 32;

/// How long events are taken in one pass, with what they lead to.
pub const EVENTS_TIME: Duration = Duration::from_millis(5);

/// Files of one name that stood under it since they were last looked for; 100 bytes each.
pub const STINTS_MAX: usize = 4096;

/// Everything is looked at that often at most because something was mounted.
pub const MOUNTS_EVERY: Duration = Duration::from_secs(1);

/// How often a path is walked again at once because it changed while its directories were being watched.
pub const TRAIL_WALKS_MAX: usize = 4;

/// Sealed files of a source that are still known, so that a rotation isn't taken for a new file.
pub const SEALED_KNOWN_MAX: usize = 64;

/// How often sealed files are looked at for what a laggard wrote to them, where the kernel doesn't tell; and how long one
/// waits for more where it does.
pub const SEALED_LOOK: Duration = Duration::from_secs(1);

/// Last bytes of a sibling that are compared with the followed file, to tell a copy of it from a file that once stood
/// under its name.
pub const COPY_CHECKED_BYTES: usize = 4096;

/// Copies of one file that stand before it, rotated: logrotate keeps so many of a log at the most. A bound, for each of
/// thousands of rotated files is held against those behind it.
pub const COPIES_MAX: usize = 1_000;

/// Between the first and the last write to a copy of a log: at 100 MB a second, those are 6 GB. What was written to for
/// longer was a log itself, and its times tell when.
pub const COPY_TIME: Duration = Duration::from_secs(60);

/// How often the siblings of a name are listed again because one was renamed on the way: a rotation renames them all, and
/// the next may follow at once.
pub const SIBLING_SCANS_MAX: usize = 20;

/// How often the names of files that are renamed meanwhile are read again, to have them as of one moment.
pub const NAME_READS_MAX: usize = 20;

/// How often a path is opened anew where its inode doesn't tell which file stands there: some reads each time.
pub const ANEW_EVERY: Duration = Duration::from_millis(250);

/// Bytes behind the place that was read to, by which two files are told apart then.
pub const ANEW_BYTES: usize = 4096;

/// Files of a name that were truncated or rotated last whose beginnings are kept, to know a copy that was made beside them.
/// As many as come between two safety looks at the most, but where a log is rotated by the second.
pub const HELD_LATELY_MAX: usize = 4;

/// Copies that came to stand under names that are followed, and are known by their lengths: ten logs have a hundred each. A
/// bound, for each of them is gone through when a name leads to another file.
pub const COPIES_KNOWN_MAX: usize = 1_000;

/// How soon a file that may be a copy in the making is looked at again.
pub const COPY_LOOK: Duration = Duration::from_millis(20);

/// How late at the most, where nothing is written to it: it may be a log of its own, and its first line is awaited.
pub const COPY_LOOK_MAX: Duration = Duration::from_secs(1);

/// Files in a directory that are opened to find one by what it holds, or to see which were rotated.
pub const TRACED_MAX: usize = 64;

/// How much later than a file is seen its event may come.
pub const EVENT_LATE: Duration = Duration::from_secs(1);

/// How often old generations are let go of, as long as there are any.
pub const FORGET_EVERY: Duration = Duration::from_secs(30);

/// Files that patterns may bring in all; each needs a descriptor.
pub const FILES_MAX: usize = 10_000;

/// Directories that one `**` goes through: a watch each, of the 65,536 and more that a user may have.
pub const DIRECTORIES_MAX: usize = 10_000;

/// How soon a client's read that failed is tried again.
pub const READ_AGAIN: Duration = Duration::from_millis(50);

/// How often, before what can't be read is told as lost: half a second, which a stop has time for.
pub const READ_TRIES_MAX: u8 = 10;

/// How soon the NULs at the end of a file are looked at again: a writer by mmap tells the kernel nothing, and its line is
/// to come within a second.
pub const NULS_LOOK: Duration = Duration::from_millis(400);

/// How soon a look through NULs goes on that was cut off at the end of a turn.
pub const NULS_STEP: Duration = Duration::from_millis(5);

/// Written NULs that are looked through for the end of what a file holds: half a second of reading from memory.
pub const NULS_BACK_BYTES: u64 = 1 << 30;

/// Bytes from which on a read is not one moment any more: the kernel copies a page at a time, and a file can be
/// truncated and rewritten between two of them.
pub const PAGE_BYTES: usize = 4096;

/// How often a name that can't be opened is tried again.
pub const RETRY: Duration = Duration::from_millis(500);

/// How long a name of a pattern must lead nowhere before its file is taken for that of the other name under which it
/// stands by then: a rotation is over sooner, and nobody has been told that the name is missing.
pub const MOVED_AFTER: Duration = Duration::from_millis(500);

/// How long a name must lead nowhere before clients are told `missing`: a rotation is over sooner.
pub const MISSING_AFTER: Duration = Duration::from_secs(1);

/// How long a renamed file must have been quiet before its successor is taken: the workers of one server don't all
/// reopen at once.
pub const QUIET: Duration = Duration::from_millis(250);

/// Longest wait for that quiet since the successor was found not empty.
pub const QUIET_MAX: Duration = Duration::from_secs(5);

/// How long a deleted file is held that nobody writes to or reads, where its name doesn't come back: long enough for a
/// logger that writes now and then, and then its disk space is given back.
pub const DELETED_KEPT: Duration = Duration::from_secs(600);

/// The same for a name that a pattern has brought in: names that come and go by the hundred a day must not fill the list
/// of files. Then the name itself is forgotten.
pub const GONE_KEPT: Duration = Duration::from_secs(30);

/// How long nobody must have read a deleted file behind the live edge until it is given up where descriptors are few: what
/// it holds can't be had again.
pub const DELETED_READ: Duration = Duration::from_secs(10);

/// How often files are asked again to give up their descriptors, while there are too few.
pub const ROOM_EVERY: Duration = Duration::from_secs(1);

/// Files that are begun in one pass while more are open than may be: rotated ones give room before the next are. So many
/// more than needed do.
pub const BEGUN_CROWDED_MAX: usize = 16;

/// How long a sealed file is watched for what a laggard still writes to it.
pub const SEALED_KEPT: Duration = Duration::from_secs(60);

const _: () = assert!(BEGUN_CROWDED_MAX < DESCRIPTORS_SPARE as usize);
const _: () = assert!(OVERLAP_BYTES <= TURN_BYTES);
const _: () = assert!(TAIL_CHECKED_BYTES <= OVERLAP_BYTES);
const _: () = assert!(CHUNK_BYTES_MIN <= CHUNK_BYTES_MAX);
const _: () = assert!(TURN_BYTES <= QUEUED_BYTES_MAX);

// -- HTTP

/// A request head, from its first byte to its blank line. What browsers send stays under 4 KiB, cookies of
/// other programs on the same host name included; 16 KiB leaves room for long filters.
pub const HEAD_BYTES: usize = 16 * 1024;

/// What is read of a request head at a time: what browsers send comes in one or two.
pub const HEAD_READ_BYTES: usize = 2 * 1024;

/// How long a peer may take over its request head: a person who types it into `nc` makes it, a slow-loris
/// attacker holds a thread no longer than this.
pub const HEAD_TIME_MS: u64 = 10_000;

/// Fields of a request head. Browsers send about 20; without a bound, 16 KiB hold 4,000 empty ones, each
/// of which costs more memory than it has bytes.
pub const HEAD_FIELDS: usize = 100;

/// What is shown of a value that a client or a user gave, in a log or an error line.
pub const SHOWN_CHARS: usize = 80;

/// An id, as INTERFACE.md has it.
pub const ID_BYTES: usize = 64;

/// How long a client that was turned away for want of a place is told to wait before it asks again.
pub const RETRY_AFTER_SECONDS: u64 = 5;

/// How long a browser may remember the answer to a preflight: as long as the shortest cap among browsers.
pub const PREFLIGHT_AGE_SECONDS: u64 = 600;

// A head must have room for the ids of the 64 files that one stream may name, and their separators.
const _: () = assert!(HEAD_BYTES >= 2 * 64 * (ID_BYTES + 1));

// -- Settings

/// Streams at once. One costs a thread and at most 256 KiB of socket buffer when its peer is slow.
pub const CLIENTS_DEFAULT: usize = 1024;

/// The most that `--max-clients` takes: beyond the threads that Linux allows one process by default.
pub const CLIENTS_MAX: usize = 100_000;

/// Batches that wait for one client. At one batch a millisecond, what a peer may sleep before it is served
/// from the file.
pub const QUEUE_DEFAULT_BATCHES: usize = 64;

/// The most that `--queue` takes: a queue's slots are allocated at once, for every client.
pub const QUEUE_MAX_BATCHES: usize = 65_536;

/// The most that `--max-delay` takes: longer, and "live" is the wrong word.
pub const DELAY_MAX_MS: u64 = 60_000;

/// A line that is not cut: in JSON a byte takes six at most, and many WebSocket clients take messages of up to 1 MiB.
pub const LINE_DEFAULT_BYTES: usize = 128 * 1024;

/// The most that `--max-line` takes: a line is held whole, once for each form it is sent in.
pub const LINE_MAX_BYTES: usize = 64 * 1024 * 1024;

/// The least that `--ping-interval` takes.
pub const PING_MIN_MS: u64 = 10;

/// The most that `--ping-interval` takes: a day.
pub const PING_MAX_SECONDS: u64 = 86_400;

/// The path of a Unix socket, one less than the kernel's `sun_path`, for its NUL.
pub const SOCKET_PATH_BYTES: usize = 107;

// -- The wire

/// One batch message, unless a line alone is longer. Some clients take 32 KiB at most (Go's coder/websocket), and what
/// a client that stops reading holds of a message is at most this or a line.
pub const BATCH_MESSAGE_BYTES: usize = 28 * 1024;

/// Payload of a chunk or of lines that are framed together, about; for the same reason.
pub const CHUNK_FRAME_BYTES: usize = 16 * 1024;

/// Shorter payloads are not deflated: nothing would be gained.
pub const DEFLATE_BYTES_MIN: usize = 64;

/// Shorter messages of a WebSocket are not deflated: of a line alone nearly all is left.
pub const DEFLATE_MESSAGE_BYTES_MIN: usize = 512;

/// How far back a deflated byte can refer, as a power of two: a frame of usual lines is not longer.
pub const DEFLATE_WINDOW_BITS: i32 = 14;

/// What zlib calls `memLevel`: 8,192 symbols before a block ends, more than a frame of usual lines has. With it and
/// [`DEFLATE_WINDOW_BITS`] a deflater takes 230 KiB, most of it the table in which it looks for what occurs again.
pub const DEFLATE_MEMORY_LEVEL: i32 = 7;

/// What a deflater keeps of its output's buffer: a frame of usual lines that can't be deflated fits.
pub const DEFLATE_BUFFER_BYTES: usize = 2 * CHUNK_FRAME_BYTES;

/// Deflaters: as many as threads that deliver, since each needs one for some 50 us a frame. Client threads that catch up
/// take turns as it is.
pub const DEFLATERS_MAX: usize = COURIERS_MAX + 1;

const _: () = assert!(1 << DEFLATE_WINDOW_BITS >= CHUNK_FRAME_BYTES);

// -- Clients

/// Stack of a client's thread: fits a TLS handshake and a nested regex, and only what is touched is resident.
pub const CLIENT_STACK_BYTES: usize = 128 * 1024;

/// Stack on which a request is read and its stream opened; given back when that is done. More than four times the other,
/// or glibc would hand the one out, with all its touched pages, where the other is wanted.
pub const OPENING_STACK_BYTES: usize = 5 * CLIENT_STACK_BYTES;

/// Reads that a stream begins with on the stack that it is opened on: what most ask for, the last lines, is one of them, with an
/// event before and a look behind it. Who wants more has a second thread for so long.
pub const OPENING_READS: u32 = 64;

/// Connections that are not (yet) streams: heads that are being read, answers that are being sent. Beyond it the oldest
/// that keeps us waiting goes first; where none does, nobody is let in until there is room.
pub const HEADS_MAX: usize = 256;

/// How long a connection may keep us waiting before it makes room for another one.
pub const HEAD_SILENT: Duration = Duration::from_secs(1);

/// How long nobody is let in where all connections are at work: some of them are done by then.
pub const HEADS_PAUSE: Duration = Duration::from_millis(10);

/// How long one who connects to `tcp:` is listened to before it is sent anything. A browser speaks at once, and who
/// reads notices no delay.
pub const FIRST_WORDS_WAIT: Duration = Duration::from_millis(50);

/// How long a filter is looked back through for a client that has shut its sending side: it may have left.
pub const HALF_CLOSED_WAIT: Duration = Duration::from_secs(3);

/// The kernel's send buffer of each client: 1,000 slow ones would otherwise hold gigabytes.
pub const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// Batches taken from a queue for one vectored write.
pub const TAKEN_MAX: usize = 16;

/// How far apart the ends of frames are remembered in what a client has read for itself: where it is cut down, it keeps
/// at most this and a frame.
pub const FRAMES_APART_BYTES: usize = 4 * 1024;

/// How long a client that does not take what it is sent keeps the rest of a chunk; then it is cut down to the frame
/// that is half on the wire, and the rest is read again later.
pub const STALL_HOLD: Duration = Duration::from_millis(500);

/// A goodbye: how long what a peer still sends is read and thrown away.
pub const DRAIN: Duration = Duration::from_secs(1);

/// After stop: how long clients have to say goodbye before their sockets are shut.
pub const GRACE: Duration = Duration::from_millis(1200);

/// Largest message of a client; it has nothing to say.
pub const CLIENT_MESSAGE_BYTES: usize = 4 * 1024;

/// tungstenite's read buffer, allocated for each client: a pong or a close fits.
pub const WS_READ_BUFFER_BYTES: usize = 128;

/// Replies that tungstenite may hold for a client that does not read: a pong and a close fit many times.
pub const WS_WRITE_BUFFER_BYTES: usize = 4 * 1024;

/// Frames of a client that are read at a time; then its own lines have their turn.
pub const WS_READS_MAX: usize = 64;

/// Files whose ids one SSE id can list.
pub const SSE_FILES_MAX: usize = 64;

/// How often the token file and the certificate are looked at, where there are any: a withdrawn token's streams end
/// within seconds.
pub const ACCESS_LOOK: Duration = Duration::from_secs(2);

/// After a failed accept: how long no connection is accepted, unless a client ends.
pub const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

// -- Filters

/// Patterns in one request.
pub const FILTER_PATTERNS_MAX: usize = 16;

/// One pattern; people write some tens.
pub const FILTER_PATTERN_BYTES: usize = 4096;

/// How deep a pattern may be nested: a dozen groups with alternatives in each other, far beyond what people write.
pub const FILTER_NESTING: u32 = 48;

/// The stack on which patterns are compiled; the deepest take less than 256 KiB of it. Pages that are not touched cost
/// nothing.
pub const FILTER_STACK_BYTES: usize = 1024 * 1024;

/// The compiled patterns of one request: room for a few repeated Unicode classes in half of it, which one of them may
/// take. (`error|warn` takes 4 KiB, four times `\d+` 26, `\w{3,10}` 560.)
pub const FILTER_COMPILED_BYTES: usize = 1024 * 1024;

/// What compiling one request's patterns may take at a time: what is compiled, the pattern that is one too many, and what
/// the compiler itself needs, some 1.2 MiB for the largest.
pub const FILTER_COMPILING_BYTES: usize = 4 * FILTER_COMPILED_BYTES;

/// What matching one pattern may remember of its states, in either direction; it begins anew when that is full.
pub const FILTER_CACHE_BYTES: usize = 256 * 1024;

/// Clients that match by one shared filter at a time: each has a memory of its own, and more threads than cores would
/// not be faster.
pub const FILTER_CACHES_MAX: usize = COURIERS_MAX + 1;

/// Filters of which a batch remembers what passes, for clients whose filters are equal. Each of the clients that have one
/// more sifts for itself.
pub const PARTS_MAX: usize = 8;

/// Who delivers sifts for a client where that takes no longer than to wake the client's own thread would.
pub const FILTER_QUICK: Duration = Duration::from_micros(5);

/// Lines after which it is counted again what matching remembers.
pub const FILTER_CACHES_COUNTED_EVERY: u32 = 64;

/// All filters of all clients: hundreds of usual ones. Over it, who asks for another one gets 503.
pub const FILTERS_BYTES: usize = 64 * 1024 * 1024;

// -- Tokens

/// The shortest token. The daemon answers guesses as fast as they come: 16 letters take longer than anyone lives.
pub const TOKEN_BYTES_MIN: usize = 16;

/// The longest token, for each is held and compared at this length.
pub const TOKEN_BYTES_MAX: usize = 512;

/// A token file: some thousand tokens and their comments.
pub const TOKEN_FILE_BYTES: u64 = 1024 * 1024;

// -- TLS

/// A certificate chain or a key: some tens of certificates. Clients take chains of about 100 KiB at most, and an old
/// certificate is better than one that nobody takes.
pub const TLS_FILE_BYTES: u64 = 64 * 1024;

/// Bytes that are encrypted before the kernel takes them: two full records. More would be memory of each slow client
/// beside the kernel's buffer, and count as written long before it is.
pub const TLS_BUFFER_BYTES: usize = 32 * 1024;

/// Reads from the kernel in a row that bring no byte of the peer's own; a full record takes five. Without a bound, empty
/// records would keep a thread busy and its lock taken for ever.
pub const TLS_EMPTY_READS_MAX: usize = 1024;

// -- Publishing

/// A broker's topic prefix. With the machine's name (at most 64 bytes) it leaves room for a file's name in
/// [`TOPIC_BYTES`].
pub const TOPIC_PREFIX_BYTES: usize = 64;

/// A topic: RabbitMQ makes an AMQP routing key of it, which has one byte for its length.
pub const TOPIC_BYTES: usize = 255;

/// Messages on their way to a broker that it has not acknowledged; fewer where the broker says so. Enough for lines
/// one by one over a distance of some ms; each costs some 40 bytes here, since its lines stand in the file.
pub const IN_FLIGHT_MAX: usize = 512;

/// Bytes of messages that a broker has not acknowledged: what it may have to hold for us, and what comes again after
/// a lost connection. One message of any size is allowed.
pub const IN_FLIGHT_BYTES: usize = 1024 * 1024;

/// Bytes of a file read at a time to be published.
pub const PUBLISH_CHUNK_BYTES: usize = 128 * 1024;

/// Bytes that wait for a broker's socket; then nothing more is put together.
pub const PUBLISH_WRITE_BYTES: usize = 128 * 1024;

/// A packet that a broker sends to us: acknowledgements, and texts that say why not.
pub const BROKER_PACKET_BYTES: usize = 64 * 1024;

/// Reads of what a broker says, of 4 KiB each, before its own duties have their turn.
pub const BROKER_READS_MAX: usize = 16;

/// How long finding the addresses of a broker's host may take; the resolver's own patience is about the same.
pub const RESOLVE_WAIT: Duration = Duration::from_secs(15);

/// How long connecting to one address of a broker may take.
pub const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// How long a broker may take to answer the connection.
pub const WELCOME_WAIT: Duration = Duration::from_secs(10);

/// How long a broker that owes acknowledgements may say nothing at all: then it is taken for gone.
pub const ACKNOWLEDGE_WAIT: Duration = Duration::from_secs(30);

/// Keep-alive: how often a quiet connection is pinged, if the broker does not say otherwise. It finds out within one
/// and a half of these that we are gone (MQTT 5, 3.1.2.10), and then says `offline` for us.
pub const KEEP_ALIVE_SECONDS: u16 = 30;

/// After a lost connection the next attempt comes within this; each further wait is up to twice as long.
pub const BACK_OFF_MIN: Duration = Duration::from_millis(500);

/// The longest wait for the next attempt: a broker that is back is found within half a minute.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(30);

/// A connection that has stood this long was a good one: the next wait begins anew.
pub const BACK_OFF_FORGOTTEN: Duration = Duration::from_secs(10);

/// How often at most it is written to the disk how far each file is published.
pub const STATE_EVERY: Duration = Duration::from_secs(1);

/// Names in a state file: all that are followed, and as many that were in earlier runs and may come back.
pub const STATE_NAMES_MAX: usize = 2 * FILES_MAX;

/// A larger state file is none of ours: a line has an id and a name, most of some hundred bytes, all of less than 4 KiB.
pub const STATE_FILE_BYTES: u64 = 4096 * STATE_NAMES_MAX as u64;

/// A password.
pub const PASSWORD_BYTES: u64 = 4096;

/// At stop: how long what is in the files is still published, as far as the broker takes it.
pub const PUBLISH_GRACE: Duration = Duration::from_millis(900);

/// Then, how long saying `offline` may take; a broker that takes longer says it by itself.
pub const PUBLISH_GOODBYE: Duration = Duration::from_millis(300);

// -- rotated files

/// A compressed sibling, inflated: it takes as much room in the directory for temporary files while it is read.
pub const INFLATED_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Inflated files that are kept at once, and words why one can't be.
pub const INFLATED_FILES_MAX: usize = 64;

/// Room that inflated files take which nobody reads just now: two of the largest, or ten that are rotated at 200 MB.
pub const INFLATED_KEPT_BYTES_MAX: u64 = 2 * INFLATED_BYTES_MAX;

/// One read of a compressed file, and one write of what it holds.
pub const INFLATING_READ_BYTES: usize = 64 * 1024;

/// How long a turn at reading is held while another file is inflated: as long as a turn lasts.
pub const INFLATING_WAIT: Duration = PERMIT_TURN;

/// What a frame of zstd may ask for to be inflated: what the format wants every reader to have (RFC 8878, 3.1.1.1.2), and
/// what `zstd -19` takes at most.
pub const ZSTD_WINDOW_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// How long an inflated file is kept after its last reader: as long as somebody may page back in it.
pub const INFLATED_KEPT: Duration = Duration::from_secs(60);

/// Rotated files that history goes back through.
pub const HISTORY_FILES_MAX: usize = 10_000;

// -- other tailcasts

/// How long another tailcast may take to answer the opening of a stream: as long as it gives to a head.
pub const UPSTREAM_ANSWER_WAIT: Duration = Duration::from_millis(HEAD_TIME_MS);

/// The tailcasts that follow through one: what a head has room for.
pub const VIA_IDS_MAX: usize = 256;

/// What is taken of each file of another tailcast at first.
pub const UPSTREAM_FIRST_LINES: usize = 10_000;

/// How long the history of another tailcast is waited for at the start, so that it is there for the first client.
pub const UPSTREAM_FIRST_WAIT: Duration = Duration::from_millis(300);

/// Files of one other tailcast, or of one broker: each needs a follower, three descriptors and a spool.
pub const UPSTREAM_FILES_MAX: usize = 1000;

/// How long a file has been gone from another tailcast before a new one may take its place.
pub const UPSTREAM_GONE: Duration = Duration::from_secs(60);

/// Ids in the head of a request to another tailcast; what is left of a head is for its other fields. More ids go in
/// messages behind it.
pub const UPSTREAM_HEAD_IDS_BYTES: usize = HEAD_BYTES / 2;

/// A file's name at another tailcast: as long as a path may be.
pub const UPSTREAM_NAME_BYTES: usize = 4096;

/// After so many bytes of a file it is noted how far its spool has got, also while more comes: what is compared after a
/// crash.
pub const UPSTREAM_NOTE_BYTES: usize = 256 * 1024;

/// How often, while more comes, it is noted how far a spool has got.
pub const UPSTREAM_NOTE_EVERY: Duration = Duration::from_secs(1);

/// Bytes of a file that came together are written at once, up to so many.
pub const UPSTREAM_PENDING_BYTES: usize = 64 * 1024;

/// How often `tailcast cat` pings: as often as a daemon does by default.
pub const CAT_PING_INTERVAL: Duration = Duration::from_secs(25);

/// A message of another tailcast. Batches have at most 28 KiB; a line alone may be as long as its `--max-line`, and each
/// byte of it may become six in JSON.
pub const UPSTREAM_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Bytes that wait for another tailcast's socket: ids that had no room in the head of our request, and answers to pings.
pub const UPSTREAM_WRITE_BYTES: usize = 1024 * 1024;

/// Pings of another tailcast that wait for us at once: ours come every few seconds, and one that sends more says nothing else.
pub const UPSTREAM_PINGS_MAX: usize = 1000;

/// What is kept of a refusal, for the log: our own are one line.
pub const UPSTREAM_REFUSAL_BYTES: usize = 512;

/// The credentials file: a line for each of some thousand hosts.
pub const CREDENTIALS_FILE_BYTES: u64 = 1024 * 1024;

const _: () = assert!(PUBLISH_GRACE.as_millis() + PUBLISH_GOODBYE.as_millis() <= GRACE.as_millis());
