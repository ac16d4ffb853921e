package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/client-go/transport/spdy"
	utilexec "k8s.io/client-go/util/exec"
)

// talker runs a pod that serves and one that has a shell, and waits until it is Ready.
func talker(ctx context.Context, w *world) error {
	pod := &corev1.Pod{
		ObjectMeta: named("talker"),
		Spec: corev1.PodSpec{Containers: []corev1.Container{
			{Name: "web", Image: "registry.k8s.io/e2e-test-images/agnhost:2.53", Args: []string{"netexec", "--http-port=8080"}},
			{Name: "box", Image: "busybox", Command: []string{"sh", "-c", "echo begun; sleep 3600"}},
		}},
	}
	pods := w.typed.CoreV1().Pods(w.namespace)
	if _, err := pods.Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		return err
	}
	selected := fields.OneTermEqualSelector("metadata.name", "talker")
	lw := cache.NewListWatchFromClient(w.typed.CoreV1().RESTClient(), "pods", w.namespace, selected)
	_, err := watchtools.UntilWithSync(ctx, lw, &corev1.Pod{}, nil, func(event watch.Event) (bool, error) {
		for _, condition := range event.Object.(*corev1.Pod).Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
				return true, nil
			}
		}
		return false, nil
	})
	return err
}

func execURL(w *world, subresource string, options any) *url.URL {
	request := w.typed.CoreV1().RESTClient().Post().Resource("pods").Namespace(w.namespace).Name("talker").SubResource(subresource)
	switch options := options.(type) {
	case *corev1.PodExecOptions:
		request.VersionedParams(options, scheme.ParameterCodec)
	case *corev1.PodAttachOptions:
		request.VersionedParams(options, scheme.ParameterCodec)
	}
	return request.URL()
}

// executors returns what can run a command in a pod: WebSocket, SPDY, and one behind the other.
func executors(w *world, target *url.URL) (map[string]remotecommand.Executor, error) {
	spdyExecutor, err := remotecommand.NewSPDYExecutor(w.config, http.MethodPost, target)
	if err != nil {
		return nil, err
	}
	webSocket, err := remotecommand.NewWebSocketExecutor(w.config, http.MethodGet, target.String())
	if err != nil {
		return nil, err
	}
	both, err := remotecommand.NewFallbackExecutor(webSocket, spdyExecutor, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	return map[string]remotecommand.Executor{"spdy": spdyExecutor, "websocket": webSocket, "fallback": both}, err
}

func execInPods(ctx context.Context, w *world) error {
	if err := talker(ctx, w); err != nil {
		return err
	}
	options := &corev1.PodExecOptions{
		Container: "box", Command: []string{"sh", "-c", "cat; echo to stderr >&2; exit 3"}, Stdin: true, Stdout: true, Stderr: true,
	}
	all, err := executors(w, execURL(w, "exec", options))
	if err != nil {
		return err
	}
	sent := strings.Repeat("octets ", 100_000)
	for name, executor := range all {
		var out, errs bytes.Buffer
		err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: strings.NewReader(sent), Stdout: &out, Stderr: &errs})
		var exit utilexec.CodeExitError
		if !errors.As(err, &exit) || exit.Code != 3 {
			return fmt.Errorf("%s: %v", name, err)
		}
		if out.String() != sent || errs.String() != "to stderr\n" {
			return fmt.Errorf("%s: %d octets, %q", name, out.Len(), errs.String())
		}
	}
	options.Command = []string{"no-such-program"}
	all, err = executors(w, execURL(w, "exec", options))
	if err != nil {
		return err
	}
	for name, executor := range all {
		err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard})
		if err == nil {
			return fmt.Errorf("%s ran what is not there", name)
		}
	}
	return terminals(ctx, w)
}

// sizes is a terminal that was resized once.
type sizes chan remotecommand.TerminalSize

func (s sizes) Next() *remotecommand.TerminalSize {
	size, open := <-s
	if !open {
		return nil
	}
	return &size
}

func terminals(ctx context.Context, w *world) error {
	options := &corev1.PodExecOptions{Container: "box", Command: []string{"sh", "-c", "sleep 0.5; stty size"}, Stdin: true, Stdout: true, TTY: true}
	all, err := executors(w, execURL(w, "exec", options))
	if err != nil {
		return err
	}
	for name, executor := range all {
		resized := make(sizes, 1)
		resized <- remotecommand.TerminalSize{Width: 123, Height: 45}
		var out bytes.Buffer
		in, keep := io.Pipe()
		err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: in, Stdout: &out, Tty: true, TerminalSizeQueue: resized})
		close(resized)
		_ = keep.Close()
		if err := first(err, expect(strings.Contains(out.String(), "45 123"), "%s: %q", name, out.String())); err != nil {
			return err
		}
	}
	return nil
}

func portsOfPods(ctx context.Context, w *world) error {
	if err := talker(ctx, w); err != nil {
		return err
	}
	target := execURL(w, "portforward", nil)
	transport, upgrader, err := spdy.RoundTripperFor(w.config)
	if err != nil {
		return err
	}
	direct := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	tunnel, err := portforward.NewSPDYOverWebsocketDialer(target, w.config)
	if err != nil {
		return err
	}
	both := portforward.NewFallbackDialer(tunnel, direct, httpstream.IsUpgradeFailure)
	for name, dialer := range map[string]httpstream.Dialer{"spdy": direct, "tunnel": tunnel, "fallback": both} {
		if err := forwarded(ctx, dialer); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func forwarded(ctx context.Context, dialer httpstream.Dialer) error {
	stop, ready, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var said bytes.Buffer
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{"0:8080", "0:9"}, stop, ready, io.Discard, &said)
	if err != nil {
		return err
	}
	go func() { done <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	for range 5 {
		answer, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/hostname", ports[0].Local))
		if err != nil {
			return err
		}
		octets, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err = first(err, expect(string(octets) == "talker", "%q", octets)); err != nil {
			return err
		}
		client.CloseIdleConnections()
	}
	if answer, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/", ports[1].Local)); err == nil {
		_ = answer.Body.Close()
		return fmt.Errorf("a closed port answered")
	}
	// client-go gives the whole connection up when one of its streams has failed.
	defer close(stop)
	select {
	case err := <-done:
		return expect(errors.Is(err, portforward.ErrLostConnectionToPod), "it ended with %v", err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func logsAndProxies(ctx context.Context, w *world) error {
	if err := talker(ctx, w); err != nil {
		return err
	}
	pods := w.typed.CoreV1().Pods(w.namespace)
	following, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := pods.GetLogs("talker", &corev1.PodLogOptions{Container: "box", Follow: true}).Stream(following)
	if err != nil {
		return err
	}
	defer stream.Close()
	line, err := bufio.NewReader(stream).ReadString('\n')
	if err = first(err, expect(line == "begun\n", "%q", line)); err != nil {
		return err
	}
	_, err = pods.GetLogs("talker", &corev1.PodLogOptions{}).DoRaw(ctx)
	if err := expect(apierrors.IsBadRequest(err), "which container? %v", err); err != nil {
		return err
	}
	octets, err := pods.ProxyGet("http", "talker", "8080", "/hostname", nil).DoRaw(ctx)
	if err = first(err, expect(string(octets) == "talker", "%q", octets)); err != nil {
		return err
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "talker"}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": "talker"},
		Ports:    []corev1.ServicePort{{Name: "web", Port: 80, TargetPort: intstr.FromInt32(8080)}},
	}}
	services := w.typed.CoreV1().Services(w.namespace)
	if _, err := services.Create(ctx, service, metav1.CreateOptions{}); err != nil {
		return err
	}
	for {
		octets, err = services.ProxyGet("http", "talker", "web", "/hostname", nil).DoRaw(ctx)
		if err == nil || !apierrors.IsServiceUnavailable(err) {
			break
		}
	}
	if err = first(err, expect(string(octets) == "talker", "%q", octets)); err != nil {
		return err
	}
	return attached(ctx, w)
}

func attached(ctx context.Context, w *world) error {
	all, err := executors(w, execURL(w, "attach", &corev1.PodAttachOptions{Container: "box", Stdout: true, Stderr: true}))
	if err != nil {
		return err
	}
	for name, executor := range all {
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		err := executor.StreamWithContext(short, remotecommand.StreamOptions{Stdout: io.Discard, Stderr: io.Discard})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%s: attach ended with %v", name, err)
		}
	}
	return nil
}

// eviction is refused while a budget allows none, and deletes when it does.
func eviction(ctx context.Context, w *world) error {
	if err := talker(ctx, w); err != nil {
		return err
	}
	one := intstr.FromInt32(1)
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: named("talker"), Spec: policyv1.PodDisruptionBudgetSpec{
		MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "talker"}},
	}}
	budgets := w.typed.PolicyV1().PodDisruptionBudgets(w.namespace)
	if _, err := budgets.Create(ctx, budget, metav1.CreateOptions{}); err != nil {
		return err
	}
	evict := func() error {
		wanted := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "talker", Namespace: w.namespace}}
		inner, cancel := context.WithTimeout(ctx, 2*time.Second) // client-go waits and tries a 429 again.
		defer cancel()
		return w.typed.CoreV1().Pods(w.namespace).EvictV1(inner, wanted)
	}
	err := evict()
	if !apierrors.IsTooManyRequests(err) && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("evicted against a budget: %v", err)
	}
	if err := budgets.Delete(ctx, "talker", metav1.DeleteOptions{}); err != nil {
		return err
	}
	return evict()
}
