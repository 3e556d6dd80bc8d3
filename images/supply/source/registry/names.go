package main

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// names says under which name of the store an image is that somebody asks for.
//
// It is the image's whole name, its registry first, so that those of two registries never meet. What stands after the
// address of one of the lab's own registries means what `docker run` means by it: `nginx` is `docker.io/library/nginx`.
type names struct {
	// masters are the names and addresses of the lab's masters.
	masters []string
	// port is the registries'.
	port string
}

// request is the path of one, with the repository's name, and what of it is asked for
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#endpoints).
var request = regexp.MustCompile(
	`^/v2/(.+)/((?:manifests|tags)/[^/]+|blobs/(?:uploads/[^/]*|[a-z0-9]+:[0-9a-f]+))$`)

// rewrite is the address of a request as the store understands it, with the repository, and what of it is asked for.
func (n names) rewrite(asked *url.URL) (to *url.URL, repository, part string) {
	found := request.FindStringSubmatch(asked.Path)
	if found == nil {
		return asked, "", ""
	}
	query := asked.Query()
	// By this containerd says which registry it asks a mirror in the place of (its docs/hosts.md).
	repository, part = n.stored(query.Get("ns"), found[1]), found[2]
	// A layer that is there in another repository, by the name that the client has for it.
	if from := query.Get("from"); from != "" {
		query.Set("from", n.stored("", from))
	}
	query.Del("ns")
	changed := *asked
	changed.Path, changed.RawPath, changed.RawQuery = "/v2/"+repository+"/"+part, "", query.Encode()
	return &changed, repository, part
}

// stored is the name in the store of the repository `name` of the registry `of`; nothing stands for one of the lab's own.
func (n names) stored(of, name string) string {
	if of != "" && !n.own(of) {
		return strings.ReplaceAll(strings.ToLower(of), ":", "__") + "/" + name
	}
	first, _, several := strings.Cut(name, "/")
	switch {
	// A name of a registry: no user of Docker's has these in theirs. `__` is the port's colon, which no repository may
	// have, and which no host has.
	case several && (strings.ContainsAny(first, ".") || strings.Contains(first, "__") || first == "localhost"):
		return name
	case several:
		return "docker.io/" + name
	default:
		return "docker.io/library/" + name
	}
}

// own tells whether this is the address of one of the lab's registries.
func (n names) own(registry string) bool {
	host, port, err := net.SplitHostPort(registry)
	return err == nil && port == n.port && slices.Contains(n.masters, host)
}
