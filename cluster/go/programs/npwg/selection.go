package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

const networksAnnotation = "k8s.v1.cni.cncf.io/networks"

// selection is one element of the annotation that selects a pod's networks.
type selection struct {
	Name      string         `json:"name"`
	Namespace string         `json:"namespace"`
	Interface string         `json:"interface"`
	Mac       string         `json:"mac"`
	IPs       []string       `json:"ips"`
	Arguments map[string]any `json:"cni-args"`
}

func selected(ctx context.Context, api *client, pod podArguments) ([]selection, error) {
	namespace, name := string(pod.K8S_POD_NAMESPACE), string(pod.K8S_POD_NAME)
	found, err := api.pod(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	if uid := string(pod.K8S_POD_UID); uid != "" && uid != found.Metadata.UID {
		return nil, fmt.Errorf("pod %s/%s is another one by now: uid %s, asked for %s", namespace, name, found.Metadata.UID, uid)
	}
	return parse(found.Metadata.Annotations[networksAnnotation], namespace)
}

// parse reads the annotation in its JSON form, or in its short form: [namespace/]name[@interface], ...
func parse(text, namespace string) ([]selection, error) {
	var read []selection
	text = strings.TrimSpace(text)
	switch {
	case text == "":
	case strings.HasPrefix(text, "["):
		if err := json.Unmarshal([]byte(text), &read); err != nil {
			return nil, fmt.Errorf("annotation %s: %w", networksAnnotation, err)
		}
	default:
		for _, item := range strings.Split(text, ",") {
			where, interfaceName, _ := strings.Cut(strings.TrimSpace(item), "@")
			space, name := splitPair(where, "/")
			read = append(read, selection{Name: name, Namespace: space, Interface: interfaceName})
		}
	}
	for index := range read {
		if read[index].Namespace == "" {
			read[index].Namespace = namespace
		}
	}
	return read, nil
}

func attachmentFor(ctx context.Context, api *client, wanted selection, index int) (attachment, error) {
	name := wanted.Namespace + "/" + wanted.Name
	text, err := api.network(ctx, wanted.Namespace, wanted.Name)
	if err != nil {
		return attachment{}, err
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		return attachment{}, fmt.Errorf("NetworkAttachmentDefinition %s: spec.config: %w", name, err)
	}
	if body["name"] == nil {
		body["name"] = wanted.Name
	}
	if len(wanted.Arguments) > 0 {
		addArguments(body, wanted.Arguments)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return attachment{}, err
	}
	capabilities := map[string]any{}
	if wanted.Mac != "" {
		capabilities["mac"] = wanted.Mac
	}
	if len(wanted.IPs) > 0 {
		capabilities["ips"] = wanted.IPs
	}
	interfaceName := wanted.Interface
	if interfaceName == "" {
		interfaceName = fmt.Sprintf("net%d", index+1)
	}
	return attachment{Config: raw, Interface: interfaceName, Capabilities: capabilities, name: name}, nil
}

// addArguments puts cni-args where plugins look for them: args.cni of each plugin.
func addArguments(body, arguments map[string]any) {
	if list, isList := body["plugins"].([]any); isList {
		for _, item := range list {
			if plugin, isObject := item.(map[string]any); isObject {
				addArguments(plugin, arguments)
			}
		}
		return
	}
	args, _ := body["args"].(map[string]any)
	if args == nil {
		args = map[string]any{}
	}
	cni, _ := args["cni"].(map[string]any)
	if cni == nil {
		cni = map[string]any{}
	}
	for key, value := range arguments {
		cni[key] = value
	}
	args["cni"] = cni
	body["args"] = args
}
