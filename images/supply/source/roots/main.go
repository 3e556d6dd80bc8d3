// hab-roots prints the certificate authorities that everybody trusts, as programs read them from a file: in PEM. Those that
// are trusted only in part, as their owners or Mozilla have limited them, are left out, for a file can't say so.
package main

import (
	"encoding/pem"
	"fmt"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// version is stamped in by the build, like every other binary's.
var version = "unknown"

func main() {
	if len(os.Args) > 1 {
		if len(os.Args) == 2 && os.Args[1] == "-version" {
			fmt.Println("hab-roots", version)
			return
		}
		fmt.Fprintln(os.Stderr, "usage: hab-roots [-version]")
		os.Exit(2)
	}
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			fmt.Fprintln(os.Stderr, "hab-roots:", err)
			os.Exit(1)
		}
	}
}
