// Package ui is the terminal app: it shows a lab's world and asks its supervisor
// for actions.
//
//	Backend --pump--> app (one tea.Model) --View--> terminal
//	                   |
//	                   +- screen.Screen   lab, raft, workloads, components, boot
//	                   +- overlay         help, palette, confirm, quit, pager
//	                   +- outside         actions and commands, one goroutine each
//
// Run owns every goroutine: the pump, which follows the events and hands them
// over in batches, at most one a frame; and one for every action or command under
// way. They end with Run.
//
// A screen is added by a folder under screen/ and a line in screens.
package ui
