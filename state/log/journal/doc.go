// Package journal is the log of one machine: records of every partition of both streams go into one
// sequence of checksummed frames in preallocated segment files, and come out per partition, in order,
// durable in groups that cost one fdatasync each.
//
// One file sequence for all partitions means one sync, one torn tail and one retention, and that a
// record which survives a crash has its cause survive too: a caused record is always in a later frame,
// and frames survive as a prefix.
//
// # Writing
//
// Append copies records into the open frame, a run per partition. One goroutine, the syncer, closes
// the frame, lets readers have it, writes it, syncs it and then delivers the acks; meanwhile the next
// frame gathers. There is no gathering delay: an idle journal syncs the first record at once, a busy
// one gathers for as long as the sync before takes.
//
// # Reading
//
// Recent frames stay in memory, up to Options.Memory; records are views into them. A reader that fell
// behind reads the segments and returns to memory when it has caught up.
//
// # Crashes
//
// A frame is valid or not there. Open keeps the longest valid run of frames. What follows a bad frame
// was never acknowledged, unless a later frame or segment says the bad one had been synced: then
// acknowledged records are lost and Open refuses (DamageError). Frames that may not be durable are
// copied into a new segment and synced before anything else happens; no file written by an earlier
// process is ever appended to, because after a failed sync its cached pages may not be what is on disk.
// Older segments are checked when they are read, not at Open.
package journal
