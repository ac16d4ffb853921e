// Checks of an API server with client-go: what typed, dynamic and metadata clients, informers,
// leader election, apply configurations and streams do, held against what upstream would answer.
//
// test_client_go.py builds this program where it finds a Go toolchain and client-go's sources, and
// runs each check by its name:
//
//	client_go -kubeconfig FILE CHECK...
//
// A check prints "ok NAME", or "FAIL NAME: why"; the exit status is 1 when one failed. Without a
// name the names are printed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const bound = 60 * time.Second

// world is what a check works with: clients, and a namespace of its own.
type world struct {
	config    *rest.Config // JSON, as the dynamic and the metadata client want it
	typed     kubernetes.Interface
	dynamic   dynamic.Interface
	metadata  metadata.Interface
	namespace string
}

var checks = map[string]func(context.Context, *world) error{
	"crud":            crud,
	"patches":         patches,
	"refusals":        refusals,
	"conflicts":       conflicts,
	"collections":     collections,
	"strict":          strict,
	"discovery":       discoveryAndMapping,
	"openapi":         openAPI,
	"informers":       informersOfEveryKind,
	"other-informers": dynamicAndMetadataInformers,
	"watches":         watches,
	"old-versions":    oldVersions,
	"pages":           pages,
	"election":        election,
	"events":          recordedEvents,
	"apply":           applyConfigurations,
	"scales":          scales,
	"custom":          customResources,
	"identity":        identity,
	"eviction":        eviction,
	"exec":            execInPods,
	"ports":           portsOfPods,
	"logs":            logsAndProxies,
	"metadata":        metadataOnly,
	"shared-writes":   sharedWrites,
	"cbor":            withoutCBOR,
}

func main() {
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "how to reach the server")
	flag.Parse()
	if flag.NArg() == 0 {
		names := make([]string, 0, len(checks))
		for name := range checks {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			fmt.Println(name)
		}
		return
	}
	failed := false
	for _, name := range flag.Args() {
		if err := run(*kubeconfig, name); err != nil {
			fmt.Printf("FAIL %s: %v\n", name, err)
			failed = true
		} else {
			fmt.Printf("ok %s\n", name)
		}
	}
	if failed {
		os.Exit(1)
	}
}

func run(kubeconfig, name string) error {
	check, known := checks[name]
	if !known {
		return fmt.Errorf("there is no such check")
	}
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1 // A check measures nothing, and waits for nobody.
	w := &world{config: config}
	protobuf := rest.CopyConfig(config)
	protobuf.ContentType = "application/vnd.kubernetes.protobuf"
	protobuf.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	if w.typed, err = kubernetes.NewForConfig(protobuf); err != nil {
		return err
	}
	if w.dynamic, err = dynamic.NewForConfig(config); err != nil {
		return err
	}
	if w.metadata, err = metadata.NewForConfig(config); err != nil {
		return err
	}
	wanted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "client-go-" + name + "-"}}
	made, err := w.typed.CoreV1().Namespaces().Create(ctx, wanted, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("make a namespace: %w", err)
	}
	w.namespace = made.Name
	defer func() {
		_ = w.typed.CoreV1().Namespaces().Delete(context.Background(), made.Name, metav1.DeleteOptions{})
	}()
	return check(ctx, w)
}

// expect returns an error that says what was wanted unless *holds*.
func expect(holds bool, format string, values ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, values...)
}

// first returns the first of *errs* that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
