// Command toolbox is the one program of the image workbench.local/toolbox: a
// shell and about seventy small commands. Like busybox it looks at the name it is
// called by; every command is a symbolic link to it in /bin. "toolbox NAME ARGS"
// works too.
package main

import (
	"os"

	"workbench/runtime/image/toolbox/applet"
)

func main() {
	os.Exit(applet.Main(os.Args))
}
