// Package widget draws the parts screens are made of: text, boxes, tables,
// sparklines, gauges and the lamps that show states.
//
//	Frame   one frame of w x h cells; Render gives the string the terminal gets
//	Surface a rectangle of it; nothing drawn on a Surface leaves its rectangle
//
// A state is always drawn with a shape and a word or place of its own beside its
// colour; see lamp.go. Drawing reads no clock, environment or randomness.
package widget
