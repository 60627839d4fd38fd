// Command npwg-standin is a CNI plugin that stands in for Multus where Multus cannot be had.
//
// It does what the Network Plumbing Working Group's standard asks of an implementation, and of that only what the
// tests of this project need: it attaches a pod to the cluster's network and then to each NetworkAttachmentDefinition
// that the pod's annotation selects, handing on the address, the IP addresses and the arguments that it finds there,
// and writes what came of it to the annotation network-status. Its configuration has the form of Multus's.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
)

const (
	timeout     = 90 * time.Second
	attachments = "/var/lib/npwg-standin"
	standsFor   = "a stand-in for Multus that is part of KubeMacPool's tests"
)

type config struct {
	types.NetConf
	Kubeconfig string            `json:"kubeconfig"`
	Delegates  []json.RawMessage `json:"delegates"`
}

type podArguments struct {
	types.CommonArgs
	K8S_POD_NAMESPACE types.UnmarshallableString
	K8S_POD_NAME      types.UnmarshallableString
	K8S_POD_UID       types.UnmarshallableString
}

// attachment is one network of a pod: all that is needed to remove it again.
type attachment struct {
	Config        json.RawMessage `json:"config"`
	Interface     string          `json:"interface"`
	Capabilities  map[string]any  `json:"capabilities,omitempty"`
	name          string
	isClusterWide bool
}

func main() {
	functions := skel.CNIFuncs{Add: add, Del: del, Check: func(*skel.CmdArgs) error { return nil }}
	skel.PluginMainFuncs(functions, version.All, standsFor)
}

func add(args *skel.CmdArgs) error {
	conf, pod, err := read(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	api, err := newClient(conf.Kubeconfig)
	if err != nil {
		return err
	}
	wanted, err := selected(ctx, api, pod)
	if err != nil {
		return err
	}
	todo := []attachment{{Config: conf.Delegates[0], Interface: args.IfName, isClusterWide: true}}
	for index, selection := range wanted {
		next, err := attachmentFor(ctx, api, selection, index)
		if err != nil {
			return err
		}
		todo = append(todo, next)
	}
	// Recorded first: what a crash leaves half attached is removed with the rest.
	if err := remember(args.ContainerID, todo); err != nil {
		return err
	}
	var statuses []status
	var first types.Result
	for _, item := range todo {
		list, err := networkList(item.Config)
		if err != nil {
			return err
		}
		result, err := plugins(args).AddNetworkList(ctx, list, runtime(args, pod, item))
		if err != nil {
			detach(ctx, args, pod, todo)
			return fmt.Errorf("network %s, interface %s: %w", list.Name, item.Interface, err)
		}
		told, err := statusOf(item, list.Name, result)
		if err != nil {
			return err
		}
		statuses = append(statuses, told)
		if first == nil {
			first = result
		}
	}
	if err := api.writeStatus(ctx, string(pod.K8S_POD_NAMESPACE), string(pod.K8S_POD_NAME), statuses); err != nil {
		detach(ctx, args, pod, todo)
		return err
	}
	return types.PrintResult(first, conf.CNIVersion)
}

func del(args *skel.CmdArgs) error {
	_, pod, err := read(args)
	if err != nil {
		return err
	}
	todo, err := recall(args.ContainerID)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := detach(ctx, args, pod, todo); err != nil {
		return err
	}
	return forget(args.ContainerID)
}

// detach removes every network, the last one first, and gives the first error that it met.
func detach(ctx context.Context, args *skel.CmdArgs, pod podArguments, todo []attachment) error {
	var failed error
	for index := len(todo) - 1; index >= 0; index-- {
		list, err := networkList(todo[index].Config)
		if err == nil {
			err = plugins(args).DelNetworkList(ctx, list, runtime(args, pod, todo[index]))
		}
		if err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

func read(args *skel.CmdArgs) (config, podArguments, error) {
	conf, pod := config{}, podArguments{}
	if err := json.Unmarshal(args.StdinData, &conf); err != nil {
		return conf, pod, fmt.Errorf("configuration: %w", err)
	}
	if len(conf.Delegates) == 0 {
		return conf, pod, fmt.Errorf("configuration %s: delegates is empty, name the cluster's network there", conf.Name)
	}
	pod.IgnoreUnknown = true
	if err := types.LoadArgs(args.Args, &pod); err != nil {
		return conf, pod, fmt.Errorf("CNI_ARGS: %w", err)
	}
	return conf, pod, nil
}

func plugins(args *skel.CmdArgs) *libcni.CNIConfig {
	return libcni.NewCNIConfig(filepath.SplitList(args.Path), nil)
}

func runtime(args *skel.CmdArgs, pod podArguments, item attachment) *libcni.RuntimeConf {
	return &libcni.RuntimeConf{
		ContainerID: args.ContainerID,
		NetNS:       args.Netns,
		IfName:      item.Interface,
		Args: [][2]string{
			{"IgnoreUnknown", "true"},
			{"K8S_POD_NAMESPACE", string(pod.K8S_POD_NAMESPACE)},
			{"K8S_POD_NAME", string(pod.K8S_POD_NAME)},
			{"K8S_POD_INFRA_CONTAINER_ID", args.ContainerID},
			{"K8S_POD_UID", string(pod.K8S_POD_UID)},
		},
		CapabilityArgs: item.Capabilities,
	}
}

func networkList(raw json.RawMessage) (*libcni.NetworkConfigList, error) {
	var shape struct {
		Plugins []json.RawMessage `json:"plugins"`
	}
	if err := json.Unmarshal(raw, &shape); err != nil {
		return nil, err
	}
	if shape.Plugins != nil {
		return libcni.NetworkConfFromBytes(raw)
	}
	single, err := libcni.ConfFromBytes(raw)
	if err != nil {
		return nil, err
	}
	return libcni.ConfListFromConf(single)
}

type status struct {
	Name      string    `json:"name"`
	Interface string    `json:"interface,omitempty"`
	IPs       []string  `json:"ips,omitempty"`
	Mac       string    `json:"mac,omitempty"`
	Default   bool      `json:"default,omitempty"`
	DNS       types.DNS `json:"dns"`
}

// statusOf tells what the plugins made inside the pod: the first interface that has the pod's sandbox.
func statusOf(item attachment, list string, result types.Result) (status, error) {
	told := status{Name: item.name, Interface: item.Interface, Default: item.isClusterWide}
	if item.isClusterWide {
		told.Name = list
	}
	made, err := current.NewResultFromResult(result)
	if err != nil {
		return told, err
	}
	told.DNS = made.DNS
	for _, link := range made.Interfaces {
		if link.Sandbox != "" {
			told.Interface, told.Mac = link.Name, link.Mac
			break
		}
	}
	for _, ip := range made.IPs {
		told.IPs = append(told.IPs, ip.Address.IP.String())
	}
	return told, nil
}

func remember(container string, todo []attachment) error {
	content, err := json.Marshal(todo)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(attachments, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(attachments, container), content, 0o600)
}

// recall gives what a container was attached to; a container that is not known was attached to nothing.
func recall(container string) ([]attachment, error) {
	content, err := os.ReadFile(filepath.Join(attachments, container))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var todo []attachment
	return todo, json.Unmarshal(content, &todo)
}

func forget(container string) error {
	err := os.Remove(filepath.Join(attachments, container))
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

func splitPair(text, separator string) (before, after string) {
	if left, right, found := strings.Cut(text, separator); found {
		return left, right
	}
	return "", text
}
