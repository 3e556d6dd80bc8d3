// The verb apply: hands an API server the objects of YAML files by server-side apply, as kubectl would, but without its
// start and its questions of what the server knows, which take a minute on an emulated processor. For that, each
// document's first line says where the object is in the API:
//
//	# /apis/apps/v1/namespaces/kube-system/deployments/coredns
//
// With an inventory (inventory.go) it also removes what is in no file any more.

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// set is what a file or a folder has.
type set struct {
	// name is the last part of its path.
	name    string
	objects []object
	// digest is the SHA-256 of its files, one after another.
	digest string
	tries  []*try
}

// applier applies as one manager through one API server.
type applier struct {
	client          *http.Client
	server, manager string
	// uids are those of what it has applied, by path.
	uids map[string]string
}

// apply sends every object, in order, until each is there or the time is up. One that fails does not stop the others.
func apply(argv []string) {
	var told asking
	flags := told.flags("apply")
	server := flags.String("server", "", "URL of the API server")
	manager := flags.String("manager", "", "whom the fields that are sent belong to")
	named := flags.String("inventory", "", "the ConfigMap in kube-system that says what was applied; what -keep has not is removed")
	keep := flags.String("keep", "", "the folder with all that is to be in the inventory, also further below")
	fresh := flags.String("fresh", "", "a file that is there if this machine is new: then all that it has is newer than what was applied")
	report := flags.Bool("report", false, "say in the inventory which folders are applied, and what was refused")
	_ = flags.Parse(argv)
	if *server == "" || *manager == "" || flags.NArg() == 0 || (*named == "") != (*keep == "") || *report && *named == "" {
		usage()
	}
	sets, err := read(flags.Args())
	if err != nil {
		unusable(err)
	}
	// Connections are kept: a TLS handshake for each object is dear on an emulated processor.
	a := applier{&http.Client{Transport: told.transport()}, *server, *manager, map[string]string{}}
	ctx, stop := told.context()
	defer stop()

	var all []*try
	for _, s := range sets {
		for _, o := range s.objects {
			send := func(ctx context.Context, _ string) ([]string, error) { return a.send(ctx, o) }
			s.tries = append(s.tries, &try{result: result{What: "apply", Target: o.path}, run: send, limit: work})
		}
		all = append(all, s.tries...)
	}
	said := map[*try]string{}
	failed := func() {
		// It may go on for ever, so what is wrong is said now, and again when it changes.
		for _, t := range all {
			if !t.OK && t.Error != said[t] && t.Error != errNotYet.Error() {
				said[t] = t.Error
				fmt.Fprintf(os.Stderr, "hab-probe: %s: %s\n", t.Target, t.Error)
			}
		}
		// Whatever is wrong may be the connection, or the server at its other end.
		a.client.CloseIdleConnections()
	}
	if *named == "" {
		finish(all, rounds(ctx, all, told.every, false, failed))
		return
	}
	_, err = os.Stat(*fresh)
	i := inventory{applier: a, name: *named, fresh: err == nil}
	if err := i.below(*keep); err != nil {
		unusable(err)
	}
	all = i.tries(sets, all, *report)
	finish(all, rounds(ctx, all, told.every, false, func() {
		failed()
		if *report {
			i.refused(ctx, sets)
		}
	}))
}

// read takes the objects out of files, and out of folders' *.yaml in order of name.
func read(names []string) ([]*set, error) {
	var sets []*set
	for _, name := range names {
		files, err := yaml(name)
		if err != nil {
			return nil, err
		}
		s := &set{name: filepath.Base(name)}
		sum := sha256.New()
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			sum.Write(text)
			found, err := objects(file, string(text))
			if err != nil {
				return nil, err
			}
			s.objects = append(s.objects, found...)
		}
		s.digest = hex.EncodeToString(sum.Sum(nil))
		sets = append(sets, s)
	}
	return sets, nil
}

// objects are those of a file's text.
func objects(file, text string) ([]object, error) {
	var found []object
	for i, document := range documents(text) {
		if empty(document) {
			continue
		}
		first, _, _ := strings.Cut(document, "\n")
		path, comment := strings.CutPrefix(strings.TrimSpace(first), "# ")
		if !comment || !strings.HasPrefix(path, "/api") {
			return nil, fmt.Errorf("%s: document %d does not begin with its path in the API, such as `# /api/v1/nodes/NAME`", file, i+1)
		}
		found = append(found, object{path, document})
	}
	return found, nil
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
			Field  string `json:"field"`
		} `json:"causes"`
	} `json:"details"`
}

// conflicts are the fields that somebody else has set to other values.
func (s status) conflicts() []string {
	var fields []string
	for _, cause := range s.Details.Causes {
		if cause.Reason == "FieldManagerConflict" {
			fields = append(fields, cause.Field)
		}
	}
	return fields
}

// reply is what an API server says to a request: how it went, the object, and why not.
type reply struct {
	status string
	body   []byte
	said   status
}

// send applies one object, without the fields that somebody else has set to other values: those stay as they are, such as
// the number of a Deployment's pods that somebody has scaled.
func (a *applier) send(ctx context.Context, o object) ([]string, error) {
	got, err := a.patch(ctx, o, url.Values{})
	fields := got.said.conflicts()
	// A conflict has another cause when somebody wrote the object at the same moment: that is tried again.
	if err == nil {
		a.uids[o.path] = uid(got.body)
		return []string{got.status}, nil
	} else if len(fields) == 0 {
		return nil, err
	}
	// What the server would make of the whole document, and with that which fields are the document's.
	got, err = a.patch(ctx, o, url.Values{"force": {"true"}, "dryRun": {"All"}})
	if err != nil {
		return nil, err
	}
	a.uids[o.path] = uid(got.body)
	rest, err := without(got.body, a.manager, fields)
	if err != nil {
		return nil, err
	}
	got, err = a.patch(ctx, object{o.path, rest}, url.Values{})
	// Still one, or another one, in fields that hang together: then all of it stays.
	if err != nil && len(got.said.conflicts()) == 0 {
		return nil, err
	}
	return []string{got.status, "left as they are: " + strings.Join(fields, " ")}, nil
}

// patch hands over a document.
func (a *applier) patch(ctx context.Context, o object, query url.Values) (reply, error) {
	query.Set("fieldManager", a.manager)
	return a.ask(ctx, call{http.MethodPatch, o.path + "?" + query.Encode(), "application/apply-patch+yaml", o.document})
}

// ask sends a request for a path; what is not a success is an error.
func (a *applier) ask(ctx context.Context, c call) (reply, error) {
	c.url = a.server + c.url
	response, body, err := ask(ctx, a.client, c)
	if err != nil {
		return reply{}, err
	}
	got := reply{status: response.Status, body: body}
	if response.StatusCode == http.StatusNotFound {
		err = errNotThere
	} else if response.StatusCode/100 != 2 {
		err = errors.New(response.Status)
	} else {
		return got, nil
	}
	// What is not an API server's answer has none of it.
	_ = json.Unmarshal(body, &got.said)
	if got.said.Message != "" {
		err = fmt.Errorf("%w: %s", err, got.said.Message)
	}
	return got, err
}

// errNotThere is of what is not there, or of a kind that the server does not know.
var errNotThere = errors.New("404 Not Found")
