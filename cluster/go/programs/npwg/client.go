package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"sigs.k8s.io/yaml"
)

const statusAnnotation = "k8s.v1.cni.cncf.io/network-status"

type client struct {
	server string
	http   http.Client
}

type kubeconfig struct {
	Clusters []struct {
		Cluster struct {
			Server    string `json:"server"`
			Authority []byte `json:"certificate-authority-data"`
		} `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		User struct {
			Certificate []byte `json:"client-certificate-data"`
			Key         []byte `json:"client-key-data"`
		} `json:"user"`
	} `json:"users"`
}

func newClient(path string) (*client, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var read kubeconfig
	if err := yaml.Unmarshal(content, &read); err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", path, err)
	}
	if len(read.Clusters) != 1 || len(read.Users) != 1 {
		return nil, fmt.Errorf("kubeconfig %s: one cluster and one user are expected", path)
	}
	certificate, err := tls.X509KeyPair(read.Users[0].User.Certificate, read.Users[0].User.Key)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", path, err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(read.Clusters[0].Cluster.Authority)
	secure := &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: trusted, MinVersion: tls.VersionTLS12}
	transport := &http.Transport{TLSClientConfig: secure}
	return &client{server: read.Clusters[0].Cluster.Server, http: http.Client{Transport: transport}}, nil
}

type podObject struct {
	Metadata struct {
		UID         string            `json:"uid"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
}

func (c *client) pod(ctx context.Context, namespace, name string) (podObject, error) {
	var found podObject
	err := c.call(ctx, http.MethodGet, fmt.Sprintf("/api/v1/namespaces/%s/pods/%s", namespace, name), nil, &found)
	return found, err
}

// network gives the CNI configuration of a NetworkAttachmentDefinition.
func (c *client) network(ctx context.Context, namespace, name string) (string, error) {
	var found struct {
		Spec struct {
			Config string `json:"config"`
		} `json:"spec"`
	}
	path := fmt.Sprintf("/apis/k8s.cni.cncf.io/v1/namespaces/%s/network-attachment-definitions/%s", namespace, name)
	if err := c.call(ctx, http.MethodGet, path, nil, &found); err != nil {
		return "", err
	}
	if found.Spec.Config == "" {
		return "", fmt.Errorf("NetworkAttachmentDefinition %s/%s: spec.config is empty", namespace, name)
	}
	return found.Spec.Config, nil
}

func (c *client) writeStatus(ctx context.Context, namespace, name string, statuses []status) error {
	text, err := json.MarshalIndent(statuses, "", "    ")
	if err != nil {
		return err
	}
	patch := map[string]any{"metadata": map[string]any{"annotations": map[string]string{statusAnnotation: string(text)}}}
	return c.call(ctx, http.MethodPatch, fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/status", namespace, name), patch, nil)
}

func (c *client) call(ctx context.Context, method, path string, body, answer any) error {
	var payload io.Reader
	if body != nil {
		content, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(content)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, payload)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		var told struct {
			Message string `json:"message"`
		}
		_ = json.Unmarshal(content, &told)
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, told.Message)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(content, answer)
}
