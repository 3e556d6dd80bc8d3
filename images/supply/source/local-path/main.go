// hab-volume makes and removes the folder of a volume, for local-path-provisioner: what its helper pods else do with a shell
// (`setup` and `teardown` in its deploy/local-path-storage.yaml), so that a node needs no image that has one.
//
//	hab-volume -a create|delete -p FOLDER [-s BYTES] [-m MODE]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// version is stamped in by the build.
var version = "unknown"

// volumes is where all volumes of a node are: nothing else is made or removed.
const volumes = "/var/lib/volumes"

func main() {
	action := flag.String("a", "", "create or delete")
	folder := flag.String("p", "", "the volume's folder")
	_ = flag.String("s", "", "how large the volume should be, which nobody sees to")
	mode := flag.String("m", "Filesystem", "the volume's mode")
	says := flag.Bool("version", false, "say the version")
	flag.Parse()
	if *says {
		fmt.Println("hab-volume", version)
		return
	}
	if err := run(*action, *folder, *mode); err != nil {
		fmt.Fprintln(os.Stderr, "hab-volume:", err)
		os.Exit(1)
	}
}

func run(action, folder, mode string) error {
	if filepath.Dir(folder) != volumes || filepath.Base(folder) == ".." {
		return fmt.Errorf("%q is no folder in %s", folder, volumes)
	}
	if mode != "Filesystem" {
		return fmt.Errorf("there are no volumes of the mode %s, only Filesystem", mode)
	}
	switch action {
	case "create":
		// One that is there is of a try that was not heard to its end.
		if err := os.Mkdir(folder, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		// Any user of a pod may write, whatever the umask is.
		return os.Chmod(folder, 0o777)
	case "delete":
		return os.RemoveAll(folder)
	}
	return fmt.Errorf("can't %q a volume", action)
}
