// Package journal keeps a lab's events: ordered, durable, seekable, bounded.
//
//	sources -> Append -> active segment (NDJSON)  -> sealed segments (zstd) -> dropped when MaxBytes is reached
//	                \-> tail in memory -> Readers (cursors), which fall back to the segments
//
// A segment is a file named by the number of its first event,
// 00000000000000000001.ndjson, and .ndjson.zst once it is sealed. One line is
// one event in its public form; zcat gives the same lines.
//
// Durability. Append hands each batch to the kernel with one write before it
// returns, so killing the process loses nothing and other processes see the
// lines at once. It does not wait for the disk: events are observations of a
// lab that a power failure ends too, and an fsync per batch would cost more
// than all else together. Segments are synced when they are sealed, the active
// one by Close.
//
// Ownership. A Journal owns one goroutine, the sealer, which Close stops and
// waits for. Appends never wait for readers: a reader is a cursor into what is
// kept, and a slow one reads from disk until it has caught up.
package journal
