// The verb release: takes back what programs of this machine held before it was started again. A controller manager or
// scheduler that ends without a word keeps its lease, and its successor would wait for the end of that.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// leases is where the control plane's programs have theirs (--leader-elect-resource-namespace).
const leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/"

// lease is what matters of one (coordination.k8s.io/v1).
type lease struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Spec struct {
		HolderIdentity string `json:"holderIdentity"`
	} `json:"spec"`
}

// release removes each lease that this machine's program holds, until all are seen to or the time is up.
func release(argv []string) {
	var told asking
	flags := told.flags("release")
	server := flags.String("server", "", "URL of the API server")
	host := flags.String("host", "", "this machine's name")
	_ = flags.Parse(argv)
	if *server == "" || *host == "" || flags.NArg() == 0 {
		usage()
	}
	client := &http.Client{Transport: told.transport()}
	ctx, stop := told.context()
	defer stop()
	var tries []*try
	for _, name := range flags.Args() {
		run := func(ctx context.Context, name string) ([]string, error) {
			return free(ctx, client, *server+leases+name, *host)
		}
		tries = append(tries, &try{result: result{What: "release", Target: name}, run: run, limit: work})
	}
	finish(tries, rounds(ctx, tries, told.every, false, client.CloseIdleConnections))
}

// free removes the lease there if a program of this host has it. Whoever wants it makes it anew.
func free(ctx context.Context, client *http.Client, url, host string) ([]string, error) {
	response, body, err := ask(ctx, client, call{method: http.MethodGet, url: url})
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusNotFound {
		return []string{"there is none"}, nil
	}
	var found lease
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", url, response.Status)
	} else if err := json.Unmarshal(body, &found); err != nil {
		return nil, fmt.Errorf("GET %s: %w", url, err)
	}
	// A holder is called by its host, `_` and a random part (cmd/kube-controller-manager/app/controllermanager.go and
	// cmd/kube-scheduler/app/options/options.go).
	if holder := found.Spec.HolderIdentity; !strings.HasPrefix(holder, host+"_") {
		return []string{"it is held by " + holder}, nil
	}
	// Of this version only: another master's program may have it by now.
	only := fmt.Sprintf(`{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"resourceVersion":%q}}`, found.Metadata.ResourceVersion)
	response, _, err = ask(ctx, client, call{http.MethodDelete, url, "application/json", only})
	if err != nil {
		return nil, err
	}
	switch response.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNotFound:
		return []string{"released"}, nil
	case http.StatusConflict:
		return []string{"somebody else has taken it"}, nil
	}
	return nil, fmt.Errorf("DELETE %s: %s", url, response.Status)
}
