// The verb label: gives nodes the labels of their roles, whenever they register. A kubelet may not give itself these
// (NodeRestriction).

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Only a node's metadata is asked for, without its long status
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches).
const (
	listOfMetadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
	metadataOfOne  = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	nodes          = "/api/v1/nodes"
	roleLabel      = "node-role.kubernetes.io/"
)

// node is what a node's metadata has to say here.
type node struct {
	Metadata struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
}

// roles is for each role how the names of its nodes begin; a hyphen and a number follow.
type roles map[string]string

// of is the role of the node of this name, or none.
func (r roles) of(name string) string {
	for role, prefix := range r {
		number, ours := strings.CutPrefix(name, prefix+"-")
		if ours && number != "" && strings.Trim(number, "0123456789") == "" {
			return role
		}
	}
	return ""
}

// labeler gives labels through one API server.
type labeler struct {
	client *http.Client
	server string
	roles  roles
}

// label gives labels until it is told to stop. What goes wrong is said and tried again.
func label(argv []string) {
	var told asking
	var named list
	flags := told.flags("label")
	server := flags.String("server", "", "URL of the API server")
	flags.Var(&named, "role", "a role and how its nodes' names begin, such as worker=kube-worker (may be repeated)")
	_ = flags.Parse(argv)
	known := roles{}
	for _, word := range named {
		role, prefix, whole := strings.Cut(word, "=")
		if !whole {
			usage()
		}
		known[role] = prefix
	}
	if *server == "" || len(known) == 0 || flags.NArg() > 0 {
		usage()
	}
	l := labeler{client: &http.Client{Transport: told.transport()}, server: *server, roles: known}
	ctx, stop := told.context()
	defer stop()
	for said := ""; ctx.Err() == nil; {
		err := l.follow(ctx)
		if err != nil && err.Error() != said {
			said = err.Error()
			fmt.Fprintln(os.Stderr, "hab-probe: labels:", said)
		} else if err == nil {
			said = ""
		}
		select {
		case <-ctx.Done():
		case <-time.After(told.every):
		}
	}
}

// follow labels all nodes that there are, then each that comes, until the API server ends the watch.
func (l *labeler) follow(ctx context.Context) error {
	var all struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []node `json:"items"`
	}
	response, err := l.get(ctx, nodes, listOfMetadata)
	if err != nil {
		return err
	}
	err = json.NewDecoder(response.Body).Decode(&all)
	response.Body.Close()
	if err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	// One that is refused keeps no other from its label; all are tried again.
	var refused error
	for _, one := range all.Items {
		refused = errors.Join(refused, l.label(ctx, one))
	}
	if refused != nil {
		return refused
	}
	return l.watch(ctx, all.Metadata.ResourceVersion)
}

func (l *labeler) watch(ctx context.Context, since string) error {
	query := url.Values{"watch": {"1"}, "resourceVersion": {since}}
	response, err := l.get(ctx, nodes+"?"+query.Encode(), metadataOfOne)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	for events := json.NewDecoder(response.Body); ; {
		var event struct {
			Type   string `json:"type"`
			Object node   `json:"object"`
		}
		// That it ends is no error: an API server ends every watch after some time.
		if err := events.Decode(&event); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("watching nodes: %w", err)
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			if err := l.label(ctx, event.Object); err != nil {
				return err
			}
		case "ERROR":
			// Too old to go on from: list again.
			return nil
		}
	}
}

// get asks for something in this form; an answer other than 200 is an error.
func (l *labeler) get(ctx context.Context, path, form string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.server+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", form)
	response, err := l.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("GET %s: %s", path, response.Status)
	}
	return response, nil
}

// label gives a node the label of its role, if it lacks it.
func (l *labeler) label(ctx context.Context, one node) error {
	name := one.Metadata.Name
	role := l.roles.of(name)
	if _, there := one.Metadata.Labels[roleLabel+role]; role == "" || there {
		return nil
	}
	body := fmt.Sprintf(`{"metadata":{"labels":{%q:""}}}`, roleLabel+role)
	path := l.server + nodes + "/" + name + "?fieldManager=hab"
	response, _, err := ask(ctx, l.client, call{http.MethodPatch, path, "application/merge-patch+json", body})
	if err != nil {
		return err
	}
	// One that is gone by now needs none.
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNotFound {
		return fmt.Errorf("labelling %s: %s", name, response.Status)
	}
	fmt.Printf("%s is a %s\n", name, role)
	return nil
}
