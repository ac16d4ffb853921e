package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	applyappsv1 "k8s.io/client-go/applyconfigurations/apps/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
)

// election has two candidates; the second leads when the first lets go.
func election(ctx context.Context, w *world) error {
	var leads atomic.Int32
	candidate := func(name string, leading chan<- string) (*leaderelection.LeaderElector, error) {
		lock, err := resourcelock.New(resourcelock.LeasesResourceLock, w.namespace, "lock",
			w.typed.CoreV1(), w.typed.CoordinationV1(), resourcelock.ResourceLockConfig{Identity: name})
		if err != nil {
			return nil, err
		}
		return leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: 6 * time.Second, RenewDeadline: 4 * time.Second, RetryPeriod: 200 * time.Millisecond,
			ReleaseOnCancel: true, Name: name,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(inner context.Context) {
					leads.Add(1)
					leading <- name
					<-inner.Done()
				},
				OnStoppedLeading: func() {},
			},
		})
	}
	leading := make(chan string, 2)
	one, err := candidate("one", leading)
	if err != nil {
		return err
	}
	other, err := candidate("other", leading)
	if err != nil {
		return err
	}
	inner, resign := context.WithCancel(ctx)
	defer resign()
	go one.Run(inner)
	if name := <-leading; name != "one" {
		return fmt.Errorf("%s leads", name)
	}
	more, stop := context.WithCancel(ctx)
	defer stop()
	go other.Run(more)
	select {
	case name := <-leading:
		return fmt.Errorf("%s leads, too", name)
	case <-time.After(time.Second):
	}
	resign()
	select {
	case name := <-leading:
		lease, err := w.typed.CoordinationV1().Leases(w.namespace).Get(ctx, "lock", metav1.GetOptions{})
		return first(err, expect(name == "other" && *lease.Spec.LeaseTransitions == 1, "%v", lease))
	case <-ctx.Done():
		return fmt.Errorf("nobody leads after %d", leads.Load())
	}
}

// recordedEvents writes by both recorders: counted ones, and series.
func recordedEvents(ctx context.Context, w *world) error {
	maps := w.typed.CoreV1().ConfigMaps(w.namespace)
	about, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "about"}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	old := record.NewBroadcaster()
	defer old.Shutdown()
	old.StartRecordingToSink(&typedSink{w})
	recorder := old.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "checks"})
	for range 3 {
		recorder.Eventf(about, corev1.EventTypeWarning, "Old", "the same again")
	}
	modern := events.NewBroadcaster(&events.EventSinkImpl{Interface: w.typed.EventsV1()})
	defer modern.Shutdown()
	if err := modern.StartRecordingToSinkWithContext(ctx); err != nil {
		return err
	}
	for range 3 {
		modern.NewRecorder(scheme.Scheme, "checks.example.com").Eventf(
			about, nil, corev1.EventTypeNormal, "New", "Checking", "a series")
	}
	for {
		counted, err := w.typed.CoreV1().Events(w.namespace).List(ctx, metav1.ListOptions{FieldSelector: "reason=Old"})
		if err != nil {
			return err
		}
		series, err := w.typed.EventsV1().Events(w.namespace).List(ctx, metav1.ListOptions{FieldSelector: "reason=New"})
		if err != nil {
			return err
		}
		if len(counted.Items) == 1 && counted.Items[0].Count == 3 && inSeries(series) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%v\n%v", counted.Items, series.Items)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func inSeries(found *eventsv1.EventList) bool {
	return len(found.Items) == 1 && found.Items[0].Series != nil && found.Items[0].Series.Count >= 2
}

type typedSink struct{ w *world }

func (s *typedSink) Create(event *corev1.Event) (*corev1.Event, error) {
	return s.w.typed.CoreV1().Events(event.Namespace).CreateWithEventNamespace(event)
}

func (s *typedSink) Update(event *corev1.Event) (*corev1.Event, error) {
	return s.w.typed.CoreV1().Events(event.Namespace).UpdateWithEventNamespace(event)
}

func (s *typedSink) Patch(event *corev1.Event, data []byte) (*corev1.Event, error) {
	return s.w.typed.CoreV1().Events(event.Namespace).PatchWithEventNamespace(event, data)
}

// applyConfigurations applies, takes over, extracts what a manager owns, and gives it up.
func applyConfigurations(ctx context.Context, w *world) error {
	api := w.typed.AppsV1().Deployments(w.namespace)
	labels := map[string]string{"app": "d"}
	container := applycorev1.Container().WithName("c").WithImage("busybox").WithPorts(
		applycorev1.ContainerPort().WithContainerPort(80))
	wanted := applyappsv1.Deployment("d", w.namespace).WithSpec(applyappsv1.DeploymentSpec().
		WithReplicas(0).
		WithSelector(applymetav1.LabelSelector().WithMatchLabels(labels)).
		WithTemplate(applycorev1.PodTemplateSpec().WithLabels(labels).WithSpec(
			applycorev1.PodSpec().WithContainers(container))))
	mine := metav1.ApplyOptions{FieldManager: "mine"}
	made, err := api.Apply(ctx, wanted, mine)
	if err != nil {
		return err
	}
	again, err := api.Apply(ctx, wanted, mine)
	if err != nil {
		return err
	}
	if made.Generation != again.Generation {
		return fmt.Errorf("an apply without an effect: generation %d to %d", made.Generation, again.Generation)
	}
	extracted, err := applyappsv1.ExtractDeployment(again, "mine")
	if err != nil {
		return err
	}
	if found := extracted.Spec.Template.Spec.Containers; len(found) != 1 || *found[0].Image != "busybox" || found[0].ImagePullPolicy != nil {
		return fmt.Errorf("extracted: %v", found)
	}
	rival := applyappsv1.Deployment("d", w.namespace).WithSpec(applyappsv1.DeploymentSpec().WithReplicas(1))
	_, err = api.Apply(ctx, rival, metav1.ApplyOptions{FieldManager: "rival"})
	if !apierrors.IsConflict(err) || !apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) {
		return fmt.Errorf("no conflict: %v", err)
	}
	forced, err := api.Apply(ctx, rival, metav1.ApplyOptions{FieldManager: "rival", Force: true})
	if err = first(err, expect(err != nil || *forced.Spec.Replicas == 1, "%v", forced)); err != nil {
		return err
	}
	extracted.Spec.Replicas = nil
	if _, err = api.Apply(ctx, extracted, mine); err != nil {
		return err
	}
	given, err := applyappsv1.ExtractDeployment(forced, "mine")
	if err = first(err, expect(given.Spec.Replicas == nil, "the forced field is still mine")); err != nil {
		return err
	}
	condition := applyappsv1.DeploymentCondition().WithType("Checked").WithStatus(corev1.ConditionTrue)
	status := applyappsv1.Deployment("d", w.namespace).WithStatus(applyappsv1.DeploymentStatus().WithConditions(condition))
	written, err := api.ApplyStatus(ctx, status, metav1.ApplyOptions{FieldManager: "status", Force: true})
	if err != nil {
		return err
	}
	owned, err := applyappsv1.ExtractDeploymentStatus(written, "status")
	return first(err, expect(owned.Status != nil && len(owned.Status.Conditions) == 1, "%v", owned))
}

// scales reads and writes /scale of every kind that has it, by the polymorphic client.
func scales(ctx context.Context, w *world) error {
	if _, err := w.typed.AppsV1().Deployments(w.namespace).Create(ctx, deployment("d", 0), metav1.CreateOptions{}); err != nil {
		return err
	}
	cached := memory.NewMemCacheClient(w.typed.Discovery())
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(cached)
	client, err := scale.NewForConfig(w.config, mapper, dynamic.LegacyAPIPathResolverFunc,
		scale.NewDiscoveryScaleKindResolver(w.typed.Discovery()))
	if err != nil {
		return err
	}
	resource := schema.GroupResource{Group: "apps", Resource: "deployments"}
	found, err := client.Scales(w.namespace).Get(ctx, resource, "d", metav1.GetOptions{})
	if err = first(err, expect(err != nil || found.Status.Selector == "app=d", "%v", found)); err != nil {
		return err
	}
	found.Spec.Replicas = 1
	found.ResourceVersion = "" // Its controller writes, too.
	written, err := client.Scales(w.namespace).Update(ctx, resource, found, metav1.UpdateOptions{})
	if err = first(err, expect(err != nil || written.Spec.Replicas == 1, "%v", written)); err != nil {
		return err
	}
	typed := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: "d", Namespace: w.namespace}}
	got, err := w.typed.AppsV1().Deployments(w.namespace).UpdateScale(ctx, "d", typed, metav1.UpdateOptions{})
	return first(err, expect(err != nil || got.Spec.Replicas == 0, "%v", got))
}

func definition(group string) *unstructured.Unstructured {
	open := map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
	version := func(name string, stored bool) map[string]any {
		return map[string]any{
			"name": name, "served": true, "storage": stored,
			"schema":       map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "properties": map[string]any{"spec": open, "status": open}}},
			"subresources": map[string]any{"status": map[string]any{}, "scale": map[string]any{"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
		}
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "things." + group},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced",
			"names":    map[string]any{"plural": "things", "kind": "Thing"},
			"versions": []any{version("v1", true), version("v1beta1", false)},
		},
	}}
}

// customResources defines a kind, waits for it, and uses it by the dynamic client.
func customResources(ctx context.Context, w *world) error {
	group := w.namespace + ".example.com"
	definitions := w.dynamic.Resource(resourceOf("customresourcedefinitions.v1.apiextensions.k8s.io"))
	if _, err := definitions.Create(ctx, definition(group), metav1.CreateOptions{}); err != nil {
		return err
	}
	defer func() { _ = definitions.Delete(context.Background(), "things."+group, metav1.DeleteOptions{}) }()
	cached := memory.NewMemCacheClient(w.typed.Discovery())
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(cached)
	kind := schema.GroupKind{Group: group, Kind: "Thing"}
	mapping, err := mapper.RESTMapping(kind)
	for ; meta.IsNoMatchError(err) && ctx.Err() == nil; mapping, err = mapper.RESTMapping(kind) {
		mapper.Reset()
	}
	if err != nil {
		return err
	}
	things := w.dynamic.Resource(mapping.Resource).Namespace(w.namespace)
	thing := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": mapping.GroupVersionKind.GroupVersion().String(), "kind": "Thing",
		"metadata": map[string]any{"name": "one"}, "spec": map[string]any{"replicas": int64(2), "ratio": 0.5, "list": []any{int64(1), "a", nil}},
	}}
	made, err := things.Apply(ctx, "one", thing, metav1.ApplyOptions{FieldManager: "checks"})
	if err != nil {
		return err
	}
	if ratio, _, err := unstructured.NestedFloat64(made.Object, "spec", "ratio"); err != nil || ratio != 0.5 {
		return fmt.Errorf("ratio: %v %w", ratio, err)
	}
	made.Object["status"] = map[string]any{"replicas": int64(1)}
	written, err := things.UpdateStatus(ctx, made, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	if written.GetGeneration() != 1 {
		return fmt.Errorf("a status counts as generation %d", written.GetGeneration())
	}
	got, err := things.Get(ctx, "one", metav1.GetOptions{}, "scale")
	if err != nil {
		return err
	}
	spec, _, _ := unstructured.NestedInt64(got.Object, "spec", "replicas")
	status, _, _ := unstructured.NestedInt64(got.Object, "status", "replicas")
	if err := expect(got.GetKind() == "Scale" && spec == 2 && status == 1, "%v", got); err != nil {
		return err
	}
	older := schema.GroupVersionResource{Group: group, Version: "v1beta1", Resource: "things"}
	found, err := w.dynamic.Resource(older).Namespace(w.namespace).Get(ctx, "one", metav1.GetOptions{})
	return first(err, expect(err != nil || found.GetAPIVersion() == group+"/v1beta1", "%v", found))
}

// identity asks who somebody is and what they may, and uses a token.
func identity(ctx context.Context, w *world) error {
	me, err := w.typed.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err = first(err, expect(err != nil || me.Status.UserInfo.Username != "", "%v", me)); err != nil {
		return err
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot"}}
	accounts := w.typed.CoreV1().ServiceAccounts(w.namespace)
	if _, err := accounts.Create(ctx, account, metav1.CreateOptions{}); err != nil {
		return err
	}
	seconds := int64(600)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	token, err := accounts.CreateToken(ctx, "robot", request, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	life := time.Until(token.Status.ExpirationTimestamp.Time)
	if err := expect(life > 9*time.Minute && life < 11*time.Minute, "lives %v", life); err != nil {
		return err
	}
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token.Status.Token}}
	reviewed, err := w.typed.AuthenticationV1().TokenReviews().Create(ctx, review, metav1.CreateOptions{})
	name := "system:serviceaccount:" + w.namespace + ":robot"
	if err = first(err, expect(err != nil || reviewed.Status.Authenticated && reviewed.Status.User.Username == name, "%v", reviewed)); err != nil {
		return err
	}
	config := rest.AnonymousClientConfig(w.config)
	config.BearerToken = token.Status.Token
	robot, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	_, err = robot.CoreV1().Secrets(w.namespace).List(ctx, metav1.ListOptions{})
	if err := expect(apierrors.IsForbidden(err), "a robot reads secrets: %v", err); err != nil {
		return err
	}
	may := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: w.namespace, Verb: "list", Resource: "secrets"},
	}}
	said, err := robot.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, may, metav1.CreateOptions{})
	if err = first(err, expect(err != nil || !said.Status.Allowed, "%v", said)); err != nil {
		return err
	}
	rules, err := w.typed.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx,
		&authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: w.namespace}}, metav1.CreateOptions{})
	if err = first(err, expect(err != nil || len(rules.Status.ResourceRules) > 0, "%v", rules)); err != nil {
		return err
	}
	config.BearerToken += "x"
	forged, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	_, err = forged.CoreV1().Secrets(w.namespace).List(ctx, metav1.ListOptions{})
	return expect(apierrors.IsUnauthorized(err), "a forged token: %v", err)
}

// metadataOnly lists, patches and deletes without ever seeing a spec.
func metadataOnly(ctx context.Context, w *world) error {
	maps := w.metadata.Resource(resourceOf("configmaps.v1.")).Namespace(w.namespace)
	wanted := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "m"}, Data: map[string]string{"x": "y"}}
	if _, err := w.typed.CoreV1().ConfigMaps(w.namespace).Create(ctx, wanted, metav1.CreateOptions{}); err != nil {
		return err
	}
	found, err := maps.Get(ctx, "m", metav1.GetOptions{})
	if err = first(err, expect(err != nil || found.Name == "m" && found.UID != "", "%v", found)); err != nil {
		return err
	}
	patch := []byte(`{"metadata":{"labels":{"a":"b"}}}`)
	patched, err := maps.Patch(ctx, "m", types.MergePatchType, patch, metav1.PatchOptions{})
	if err = first(err, expect(err != nil || patched.Labels["a"] == "b", "%v", patched)); err != nil {
		return err
	}
	stream, err := maps.Watch(ctx, metav1.ListOptions{LabelSelector: "a=b"})
	if err != nil {
		return err
	}
	defer stream.Stop()
	if event := <-stream.ResultChan(); event.Type != "ADDED" {
		return fmt.Errorf("%v", event)
	}
	if err := maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "a=b"}); err != nil {
		return err
	}
	if event := <-stream.ResultChan(); event.Type != "DELETED" {
		return fmt.Errorf("%v", event)
	}
	list, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "a=b"})
	return first(err, expect(err != nil || len(list.Items) == 0, "%v", list))
}

// sharedWrites is the read, change and write of an object by typed clients that know fewer fields:
// what the dynamic client wrote survives a typed update only as far as the type knows it.
func sharedWrites(ctx context.Context, w *world) error {
	pods := w.typed.CoreV1().PodTemplates(w.namespace)
	template := &corev1.PodTemplate{ObjectMeta: metav1.ObjectMeta{Name: "t"}, Template: corev1.PodTemplateSpec{Spec: podSpec()}}
	made, err := pods.Create(ctx, template, metav1.CreateOptions{FieldManager: "one"})
	if err != nil {
		return err
	}
	same, err := pods.Update(ctx, made, metav1.UpdateOptions{FieldManager: "one"})
	if err = first(err, expect(err != nil || same.ResourceVersion == made.ResourceVersion, "an update without a change was written")); err != nil {
		return err
	}
	generic := w.dynamic.Resource(resourceOf("podtemplates.v1.")).Namespace(w.namespace)
	found, err := generic.Get(ctx, "t", metav1.GetOptions{})
	if err != nil {
		return err
	}
	back, err := generic.Update(ctx, found, metav1.UpdateOptions{FieldManager: "two"})
	if err = first(err, expect(err != nil || back.GetResourceVersion() == made.ResourceVersion, "the same as JSON was written")); err != nil {
		return err
	}
	for _, entry := range back.GetManagedFields() {
		if entry.Manager != "one" {
			return fmt.Errorf("%s owns what it did not change", entry.Manager)
		}
	}
	return nil
}

// withoutCBOR writes twice: a client that prefers CBOR is told once that it is not spoken here, and
// goes on with JSON.
func withoutCBOR(ctx context.Context, w *world) error {
	maps := w.dynamic.Resource(resourceOf("configmaps.v1.")).Namespace(w.namespace)
	wanted := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "m"},
	}}
	_, err := maps.Create(ctx, wanted, metav1.CreateOptions{})
	if apierrors.IsUnsupportedMediaType(err) {
		_, err = maps.Create(ctx, wanted, metav1.CreateOptions{})
	}
	return err
}
