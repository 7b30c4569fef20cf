// Package docs is the user documentation. Its tests hold the pages to what the
// program says of itself: commands and flags, fields of the lab file, events,
// and links between the pages.
package docs
