// An inventory: a ConfigMap of the cluster that says which objects were applied, so that those are removed which no file has
// any more. It names them before they are there, so none is forgotten when a master ends in between; and of masters
// that write it at once one tries again.

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// maps is where inventories are.
const maps = "/api/v1/namespaces/kube-system/configmaps"

// What an inventory says: `by` is the digest of all that the newest master has to apply, and `older` has those before it. So
// a master that is older than the last change, and starts again, takes nothing back. `objects` are the paths of all that may
// be there, one a line, each with its UID once that is known. Of each folder that is reported `applied.FOLDER` is the digest
// of what was applied, and `refused.FOLDER` has a line `PATH: WHY` for each object that the server does not take.
const (
	newest  = "by"
	older   = "older"
	known   = "objects"
	applied = "applied."
	refused = "refused."
)

// most is how many older digests are kept: as many changes are forgotten only when no master is as old any more.
const most = 20

// permanent are the namespaces that no API server removes (NamespaceLifecycle), and one that is as necessary.
var permanent = []string{"default", "kube-system", "kube-public", "kube-node-lease"}

var errNotYet = errors.New("waits for the others")

type inventory struct {
	applier
	name string
	// keep are the paths of all that is to be there, folders the names of the folders that have it, and digest is that of all.
	keep, folders []string
	digest        string
	// fresh says that this machine is new, and so is what it has; mine that no other master's is newer.
	fresh, mine bool
	// version is that of the ConfigMap, empty if it is not there.
	version string
	data    map[string]string
}

// below finds the objects in all files *.yaml in a folder and its folders, in order, and these folders.
func (i *inventory) below(folder string) error {
	sum := sha256.New()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			i.folders = append(i.folders, entry.Name())
		}
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		sets, err := read([]string{path})
		if err != nil {
			return err
		}
		fmt.Fprintln(sum, strings.TrimPrefix(path, folder), sets[0].digest)
		for _, o := range sets[0].objects {
			i.keep = append(i.keep, o.path)
		}
		return nil
	})
	i.digest = hex.EncodeToString(sum.Sum(nil))
	return err
}

// tries are sends with what comes before and after them.
func (i *inventory) tries(sets []*set, sends []*try, report bool) []*try {
	record := &try{result: result{What: "record", Target: i.name}, run: i.record, limit: work}
	all := append([]*try{record}, sends...)
	for _, s := range sets {
		if !report {
			break
		}
		for _, t := range s.tries {
			send := t.run
			t.run = func(ctx context.Context, path string) ([]string, error) {
				if !record.OK {
					return nil, errNotYet
				} else if !i.mine {
					return []string{"left to a master that is newer"}, nil
				}
				return send(ctx, path)
			}
		}
		// All of it is there when all sends went well.
		run := func(ctx context.Context, name string) ([]string, error) {
			if !record.OK || !done(s.tries) {
				return nil, errNotYet
			}
			if !i.mine {
				return nil, nil
			}
			return nil, i.save(ctx, map[string]any{applied + name: s.digest, refused + name: nil})
		}
		all = append(all, &try{result: result{What: "report", Target: s.name}, run: run, limit: work})
	}
	before := slices.Clone(all)
	// Not before all else is there: it may be what takes the place of what goes.
	prune := func(ctx context.Context, _ string) ([]string, error) {
		if !done(before) {
			return nil, errNotYet
		} else if !i.mine {
			return nil, nil
		}
		return i.prune(ctx)
	}
	return append(all, &try{result: result{What: "prune", Target: i.name}, run: prune, limit: 5 * work})
}

func done(tries []*try) bool {
	return !slices.ContainsFunc(tries, func(t *try) bool { return !t.OK })
}

// record reads the inventory, and adds what will be applied.
func (i *inventory) record(ctx context.Context, _ string) ([]string, error) {
	got, err := i.ask(ctx, call{method: http.MethodGet, url: maps + "/" + i.name})
	i.version, i.data = "", map[string]string{}
	if err != nil && !errors.Is(err, errNotThere) {
		return nil, err
	} else if err == nil {
		if err := i.take(got.body); err != nil {
			return nil, err
		}
	}
	before := strings.Fields(i.data[older])
	i.mine = i.fresh || i.data[newest] == i.digest || !slices.Contains(before, i.digest)
	if !i.mine {
		return []string{"another master is newer"}, nil
	}
	lines := i.lines()
	for _, path := range i.keep {
		if _, there := i.known(path); !there {
			lines = append(lines, path)
		}
	}
	data := map[string]any{known: strings.Join(lines, "\n"), newest: i.digest}
	if last := i.data[newest]; last != "" && last != i.digest {
		before = slices.DeleteFunc(append(before, last), func(digest string) bool { return digest == i.digest })
		data[older] = strings.Join(before[max(0, len(before)-most):], "\n")
	}
	// What is said of folders that are not there any more.
	for key := range i.data {
		for _, about := range []string{applied, refused} {
			if folder, ok := strings.CutPrefix(key, about); ok && !slices.Contains(i.folders, folder) {
				data[key] = nil
			}
		}
	}
	return nil, i.save(ctx, data)
}

// take reads the ConfigMap.
func (i *inventory) take(body []byte) error {
	var found struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Data map[string]string `json:"data"`
	}
	if err := json.Unmarshal(body, &found); err != nil {
		return fmt.Errorf("reading the inventory: %w", err)
	}
	i.version, i.data = found.Metadata.ResourceVersion, found.Data
	if i.data == nil {
		i.data = map[string]string{}
	}
	return nil
}

// lines are those of the objects that may be there.
func (i *inventory) lines() []string {
	return strings.FieldsFunc(i.data[known], func(c rune) bool { return c == '\n' })
}

// known is what is noted of an object: its UID, where that is known.
func (i *inventory) known(path string) (uid string, there bool) {
	for _, line := range i.lines() {
		if other, uid, _ := strings.Cut(line, " "); identity(other) == identity(path) {
			return uid, true
		}
	}
	return "", false
}

// save writes what is different; nil removes. If somebody else has written meanwhile it reads again, and fails.
func (i *inventory) save(ctx context.Context, data map[string]any) error {
	different := false
	for key, value := range data {
		old, there := i.data[key]
		different = different || there != (value != nil) || value != nil && old != value
	}
	if !different {
		return nil
	}
	object := map[string]any{"metadata": map[string]any{"name": i.name, "resourceVersion": i.version}, "data": data}
	query := "?" + url.Values{"fieldManager": {i.manager}}.Encode()
	c := call{http.MethodPatch, maps + "/" + i.name + query, "application/merge-patch+json", ""}
	if i.version == "" {
		object["apiVersion"], object["kind"] = "v1", "ConfigMap"
		c.method, c.url, c.kind = http.MethodPost, maps+query, "application/json"
	}
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	c.content = string(body)
	got, err := i.ask(ctx, c)
	if err == nil {
		return i.take(got.body)
	}
	if again, read := i.ask(ctx, call{method: http.MethodGet, url: maps + "/" + i.name}); read == nil {
		err = errors.Join(err, i.take(again.body))
	}
	return err
}

// refused says which objects of each set are not there, and why. That it could not be said is no matter: it will be.
func (i *inventory) refused(ctx context.Context, sets []*set) {
	data := map[string]any{}
	for _, s := range sets {
		var lines []string
		for _, t := range s.tries {
			// One that waits for the record was not asked for.
			if !t.OK && t.Tries > 0 && t.Error != errNotYet.Error() {
				lines = append(lines, t.Target+": "+strings.ReplaceAll(t.Error, "\n", " "))
			}
		}
		if lines != nil {
			data[refused+s.name] = strings.Join(lines, "\n")
		}
	}
	limited, cancel := context.WithTimeout(ctx, work)
	defer cancel()
	_ = i.save(limited, data)
}

// prune removes what the inventory has and no file, the last first, and then has the inventory say so.
func (i *inventory) prune(ctx context.Context) ([]string, error) {
	var gone []string
	all := i.lines()
	slices.Reverse(all)
	for _, line := range all {
		path, uid, _ := strings.Cut(line, " ")
		same := func(kept string) bool { return identity(kept) == identity(path) }
		if slices.ContainsFunc(i.keep, same) {
			continue
		}
		how, err := i.remove(ctx, path, uid)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		gone = append(gone, path+": "+how)
	}
	var lines []string
	for _, path := range i.keep {
		uid, now := i.uids[path]
		if !now {
			uid, _ = i.known(path)
		}
		lines = append(lines, strings.TrimSpace(path+" "+uid))
	}
	return gone, i.save(ctx, map[string]any{known: strings.Join(lines, "\n")})
}

// identity is a path without the version, in which an object is the same.
func identity(path string) string {
	parts := strings.Split(path, "/")
	if len(parts) > 3 && parts[1] == "apis" {
		return strings.Join(slices.Delete(parts, 3, 4), "/")
	}
	return path
}

// remove removes the object there, if it is still the one that was applied.
func (i *inventory) remove(ctx context.Context, path, uid string) (string, error) {
	if name, ok := strings.CutPrefix(path, "/api/v1/namespaces/"); ok && slices.Contains(permanent, name) {
		return "stays", nil
	}
	got, err := i.ask(ctx, call{method: http.MethodGet, url: path})
	if errors.Is(err, errNotThere) {
		return "is not there", nil
	} else if err != nil {
		return "", err
	}
	var found metadata
	if err := json.Unmarshal(got.body, &found); err != nil {
		return "", err
	}
	// Where none is noted, a master ended before it could.
	unknown := uid == "" && (found.Metadata.ManagedFields == nil || found.applied(i.manager) != nil)
	if uid != found.Metadata.UID && !unknown {
		return "is somebody else's", nil
	}
	only := fmt.Sprintf(`{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background","preconditions":{"uid":%q}}`, found.Metadata.UID)
	_, err = i.ask(ctx, call{http.MethodDelete, path, "application/json", only})
	if err != nil && !errors.Is(err, errNotThere) {
		return "", err
	}
	return "removed", nil
}
