// Package backup takes a data folder, of a running engine or a stopped one, and puts out a folder that it can
// be restored from; and takes such a folder and puts out a data folder that goes on where it stood.
//
// A backup is a checkpoint of each shard's store, at the position that is on disk by then, and after that
// the log from the oldest of these positions to its durable end. Any such pair is a state that a crash might
// have left (E3, E4): a start on it replays and arrives where the engine was at the end of the log. The
// engine waits for none of it.
//
//	manifest.json             what there is, written last; see Manifest
//	journal/*.seg             the log
//	state/events-00/…         the stores, as their folders are named
//	replay.json, holds.json, audit.log
//
// Restored, the log has a new id (E15), in every frame, handover and store: the two folders cannot be mixed.
package backup
