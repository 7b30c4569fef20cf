// Package recording is a part of a lab's events in one file, to be played again
// without the lab.
//
// A file is a sequence of Zstandard frames (RFC 8878), so that `zstdcat FILE`
// prints the events, one JSON object a line. What else it holds is in skippable
// frames, which zstdcat passes over:
//
//	chunk H   header: format, version, lab, builds, what is not in it
//	chunk W   the world before the first event, so that a recording may begin at any time
//	chunk E   describes the frame that follows: numbers, times, length, checksum
//	frame     up to 512 events or 256 KiB
//	...
//	chunk Z   the end: how many events, and why it ended
//
// A chunk is a skippable frame of magic number 0x184D2A57 that holds the chunk's
// letter, its payload and the payload's CRC-32C. A frame's checksum is in its
// chunk E. So a damaged or truncated file is read up to the damage, and it is
// known where that is; a file without chunk Z was cut off.
//
// Nothing but events and worlds gets into a file: no environment, no keys, no
// kubeconfig; and no event has the contents of a Secret.
package recording
