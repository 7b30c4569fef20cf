// Package history gives a lab's world at any instant of its journal or of a
// recording.
//
//	journal   ----300 events-----|----300 events-----|---...---> now
//	keyframes K                  K                   K
//	window                       K + events up to the next one
//
// A keyframe is a world, compressed. The world at an instant is the last
// keyframe before it and the few events after that, folded; a window is both,
// and enough to step back and forth within it. Which keyframe a window begins
// with depends on the log alone, so that a client that folds windows draws the
// same at the same instant, however it came there.
//
// Keyframes are made as a lab runs (Keep), or as a stretch without any is read.
// They are kept in a bounded directory, or in bounded memory; when the bound is
// reached those of the older half are thinned out, and instants there take
// longer. They can always be made again from the events.
//
// Ownership. A History owns one goroutine, which compresses and writes
// keyframes; Close stops and waits for it.
package history
