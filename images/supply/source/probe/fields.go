// Which fields of an object are whose, as an API server keeps it (meta/v1 ManagedFieldsEntry), and the object without some of
// them. A field is called as in the server's own messages (String in fieldpath/element.go of
// sigs.k8s.io/structured-merge-diff), such as `.spec.template.spec.containers[name="coredns"].image`.

package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// metadata is what an object says of itself, as far as it matters here.
type metadata struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name          string `json:"name"`
		Namespace     string `json:"namespace"`
		UID           string `json:"uid"`
		ManagedFields []struct {
			Manager     string         `json:"manager"`
			Operation   string         `json:"operation"`
			Subresource string         `json:"subresource"`
			Fields      map[string]any `json:"fieldsV1"`
		} `json:"managedFields"`
	} `json:"metadata"`
}

// uid is that of an object; empty if it says none.
func uid(body []byte) string {
	var about metadata
	_ = json.Unmarshal(body, &about)
	return about.Metadata.UID
}

// applied are the fields that this manager has applied; nil if there are none.
func (m metadata) applied(manager string) map[string]any {
	for _, entry := range m.Metadata.ManagedFields {
		if entry.Manager == manager && entry.Operation == "Apply" && entry.Subresource == "" {
			return entry.Fields
		}
	}
	return nil
}

// without is the object of this body with those fields alone that the manager applies, but these.
func without(body []byte, manager string, fields []string) (string, error) {
	var about metadata
	var all any
	if err := json.Unmarshal(body, &about); err != nil {
		return "", fmt.Errorf("reading the object: %w", err)
	} else if err := json.Unmarshal(body, &all); err != nil {
		return "", fmt.Errorf("reading the object: %w", err)
	}
	own := about.applied(manager)
	if own == nil {
		return "", fmt.Errorf("the object does not say what %s applies", manager)
	}
	object, _ := some(own, all, "", fields).(map[string]any)
	if object == nil {
		object = map[string]any{}
	}
	object["apiVersion"], object["kind"] = about.APIVersion, about.Kind
	meta, _ := object["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
		object["metadata"] = meta
	}
	meta["name"] = about.Metadata.Name
	if about.Metadata.Namespace != "" {
		meta["namespace"] = about.Metadata.Namespace
	}
	text, err := json.Marshal(object)
	return string(text), err
}

// some is what of a value these fields are, but those left; nil if that is nothing. A field without any below it is a whole
// value.
func some(fields map[string]any, value any, path string, left []string) any {
	if slices.Contains(left, path) {
		return nil
	} else if len(fields) == 0 {
		return value
	}
	switch value := value.(type) {
	case map[string]any:
		found := map[string]any{}
		for name, inner := range value {
			below, there := fields["f:"+name].(map[string]any)
			if !there {
				continue
			}
			if part := some(below, inner, path+"."+name, left); part != nil {
				found[name] = part
			}
		}
		if _, itself := fields["."]; itself || len(found) > 0 {
			return found
		}
	case []any:
		var found []any
		for at, inner := range value {
			below, key, name := item(fields, inner, at)
			if below == nil {
				continue
			}
			part := some(below, inner, path+name, left)
			// What tells it from the other items goes with it.
			if object, ok := part.(map[string]any); ok {
				for name, value := range key {
					object[name] = value
				}
			}
			if part != nil {
				found = append(found, part)
			}
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// item is which of a list's fields an item is: what is below it, its key if it has one, and how it is called.
func item(fields map[string]any, value any, at int) (map[string]any, map[string]any, string) {
	for field, below := range fields {
		kind, text, _ := strings.Cut(field, ":")
		below, _ := below.(map[string]any)
		var named any
		if json.Unmarshal([]byte(text), &named) != nil {
			continue
		}
		switch key, _ := named.(map[string]any); {
		case kind == "k" && has(value, key):
			var parts []string
			for name, value := range key {
				parts = append(parts, name+"="+word(value))
			}
			slices.Sort(parts)
			return below, key, "[" + strings.Join(parts, ",") + "]"
		case kind == "v" && reflect.DeepEqual(named, value):
			return below, nil, "[=" + word(value) + "]"
		case kind == "i" && named == float64(at):
			return below, nil, fmt.Sprintf("[%d]", at)
		}
	}
	return nil, nil, ""
}

// has says whether an object has these fields with these values.
func has(value any, key map[string]any) bool {
	object, ok := value.(map[string]any)
	for name, wanted := range key {
		ok = ok && reflect.DeepEqual(object[name], wanted)
	}
	return ok
}

func word(value any) string {
	if text, ok := value.(string); ok {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprint(value)
}
