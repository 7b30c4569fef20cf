// Package themes holds the colours of the terminal app: palettes as data,
// validated, then turned into the styles screens draw with.
//
//	palettes/*.json -> Theme (colour and attributes per Role) -> Styles
//
// It is the only place where a colour is written down. A palette names a colour
// for every Role; validation refuses one that lacks a role, whose text does not
// reach a contrast of 4.5 on its background, or whose state colours look alike.
// A state is never told by hue alone: every state has a shape of its own too,
// which the widgets draw, and the "mono" theme tells them apart without colour.
//
// To add a theme, add a file to palettes/.
package themes
