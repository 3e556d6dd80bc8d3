// The verb apply: hands an API server the objects of YAML files by server-side apply, as kubectl would, but without its
// start and its questions of what the server knows, which take a minute on an emulated processor. For that, each
// document's first line says where the object is in the API:
//
//	# /apis/apps/v1/namespaces/kube-system/deployments/coredns

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// work is as long as an API server works on a request (kube-apiserver --request-timeout). One that is given up earlier is
// done all the same, for nobody, beside the next try: 20 s were not enough in a busy hour on emulated processors.
const work = 60 * time.Second

// object is a document and its path in the API.
type object struct {
	path, document string
}

// apply sends every object, in order, until each is there or the time is up. One that fails does not stop the others.
func apply(argv []string) {
	var told asking
	flags := told.flags("apply")
	server := flags.String("server", "", "URL of the API server")
	manager := flags.String("manager", "", "whom the fields that are sent belong to")
	_ = flags.Parse(argv)
	if *server == "" || *manager == "" || flags.NArg() == 0 {
		usage()
	}
	objects, err := read(flags.Args())
	if err != nil {
		unusable(err)
	}
	// Connections are kept: a TLS handshake for each object is dear on an emulated processor.
	client := &http.Client{Transport: told.transport()}
	ctx, stop := told.context()
	defer stop()

	var sends []*try
	query := "?" + url.Values{"fieldManager": {*manager}}.Encode()
	for _, o := range objects {
		send := func(ctx context.Context, path string) ([]string, error) {
			return send(ctx, client, *server+path+query, o.document)
		}
		sends = append(sends, &try{result: result{What: "apply", Target: o.path}, run: send, limit: work})
	}
	said := map[*try]string{}
	failed := func() {
		// Whatever is wrong may be the connection, or the server at its other end.
		client.CloseIdleConnections()
		// It may go on for ever, so what is wrong is said now, and again when it changes.
		for _, t := range sends {
			if !t.OK && t.Error != said[t] {
				said[t] = t.Error
				fmt.Fprintf(os.Stderr, "hab-probe: %s: %s\n", t.Target, t.Error)
			}
		}
	}
	finish(sends, rounds(ctx, sends, told.every, false, failed))
}

// read takes the objects out of files, and out of folders' *.yaml in order of name.
func read(names []string) ([]object, error) {
	var objects []object
	for _, name := range names {
		files, err := yaml(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			for i, document := range documents(string(text)) {
				if empty(document) {
					continue
				}
				first, _, _ := strings.Cut(document, "\n")
				path, comment := strings.CutPrefix(strings.TrimSpace(first), "# ")
				if !comment || !strings.HasPrefix(path, "/api") {
					return nil, fmt.Errorf("%s: document %d does not begin with its path in the API, such as `# /api/v1/nodes/NAME`", file, i+1)
				}
				objects = append(objects, object{path, document})
			}
		}
	}
	return objects, nil
}

// yaml is the file of this name, or what a folder of this name has.
func yaml(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() {
		return []string{name}, err
	}
	// In order of name.
	entries, err := os.ReadDir(name)
	var files []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".yaml") {
			files = append(files, filepath.Join(name, entry.Name()))
		}
	}
	return files, err
}

// documents are what lines `---` separate.
func documents(text string) []string {
	all := []string{""}
	for line := range strings.Lines(text) {
		if strings.TrimRight(line, " \r\n") == "---" {
			all = append(all, "")
		} else {
			all[len(all)-1] += line
		}
	}
	return all
}

// empty is a document that has nothing but comments.
func empty(document string) bool {
	for line := range strings.Lines(document) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return false
		}
	}
	return true
}

// status is what an API server says when it refuses (meta/v1 Status), as far as it matters here.
type status struct {
	Message string `json:"message"`
	Details struct {
		Causes []struct {
			Reason string `json:"reason"`
		} `json:"causes"`
	} `json:"details"`
}

// send applies one object. Without force: one with a field that somebody else has set to another value stays as it is,
// and that is not an error.
func send(ctx context.Context, client *http.Client, url, document string) ([]string, error) {
	response, body, err := ask(ctx, client, call{http.MethodPatch, url, "application/apply-patch+yaml", document})
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK || response.StatusCode == http.StatusCreated {
		return []string{response.Status}, nil
	}
	// What is not an API server's answer has none of it.
	var said status
	_ = json.Unmarshal(body, &said)
	// A conflict has another cause when somebody wrote the object at the same moment: that is tried again.
	for _, cause := range said.Details.Causes {
		if response.StatusCode == http.StatusConflict && cause.Reason == "FieldManagerConflict" {
			return []string{response.Status + ": left as it is", said.Message}, nil
		}
	}
	if said.Message == "" {
		return nil, errors.New(response.Status)
	}
	return nil, errors.New(response.Status + ": " + said.Message)
}
