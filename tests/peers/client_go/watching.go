package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/pager"
	watchtools "k8s.io/client-go/tools/watch"
)

// What kube-controller-manager and kube-scheduler 1.32 have informers of.
var watched = []string{
	"configmaps.v1.", "endpoints.v1.", "events.v1.", "limitranges.v1.", "namespaces.v1.", "nodes.v1.",
	"persistentvolumeclaims.v1.", "persistentvolumes.v1.", "pods.v1.", "podtemplates.v1.",
	"replicationcontrollers.v1.", "resourcequotas.v1.", "secrets.v1.", "serviceaccounts.v1.", "services.v1.",
	"mutatingwebhookconfigurations.v1.admissionregistration.k8s.io",
	"validatingadmissionpolicies.v1.admissionregistration.k8s.io",
	"validatingadmissionpolicybindings.v1.admissionregistration.k8s.io",
	"validatingwebhookconfigurations.v1.admissionregistration.k8s.io",
	"controllerrevisions.v1.apps", "daemonsets.v1.apps", "deployments.v1.apps", "replicasets.v1.apps",
	"statefulsets.v1.apps", "horizontalpodautoscalers.v1.autoscaling", "horizontalpodautoscalers.v2.autoscaling",
	"cronjobs.v1.batch", "jobs.v1.batch", "certificatesigningrequests.v1.certificates.k8s.io",
	"leases.v1.coordination.k8s.io", "endpointslices.v1.discovery.k8s.io", "events.v1.events.k8s.io",
	"flowschemas.v1.flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations.v1.flowcontrol.apiserver.k8s.io",
	"ingressclasses.v1.networking.k8s.io", "ingresses.v1.networking.k8s.io", "networkpolicies.v1.networking.k8s.io",
	"runtimeclasses.v1.node.k8s.io", "poddisruptionbudgets.v1.policy",
	"clusterrolebindings.v1.rbac.authorization.k8s.io", "clusterroles.v1.rbac.authorization.k8s.io",
	"rolebindings.v1.rbac.authorization.k8s.io", "roles.v1.rbac.authorization.k8s.io",
	"priorityclasses.v1.scheduling.k8s.io", "csidrivers.v1.storage.k8s.io", "csinodes.v1.storage.k8s.io",
	"csistoragecapacities.v1.storage.k8s.io", "storageclasses.v1.storage.k8s.io",
	"volumeattachments.v1.storage.k8s.io",
}

func resourceOf(name string) schema.GroupVersionResource {
	found, _ := schema.ParseResourceArg(name)
	return *found
}

// seen counts what a handler was told of objects in one namespace.
type seen struct{ added, updated, deleted atomic.Int32 }

func (s *seen) handler(namespace string) cache.ResourceEventHandler {
	mine := func(object any) bool {
		if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = gone.Obj
		}
		accessor, err := meta.Accessor(object)
		return err == nil && accessor.GetNamespace() == namespace && accessor.GetName() == "seen"
	}
	return cache.FilteringResourceEventHandler{FilterFunc: mine, Handler: cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { s.added.Add(1) },
		UpdateFunc: func(_, _ any) { s.updated.Add(1) },
		DeleteFunc: func(any) { s.deleted.Add(1) },
	}}
}

func (s *seen) String() string {
	return fmt.Sprintf("%d added, %d updated, %d deleted", s.added.Load(), s.updated.Load(), s.deleted.Load())
}

// changes makes, changes and deletes a ConfigMap, and waits until each of *all* saw it.
func changes(ctx context.Context, w *world, all ...*seen) error {
	maps := w.typed.CoreV1().ConfigMaps(w.namespace)
	wanted := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "seen"}}
	made, err := maps.Create(ctx, wanted, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if err := eventually(ctx, all, func(s *seen) bool { return s.added.Load() == 1 }); err != nil {
		return err
	}
	made.Data = map[string]string{"x": "y"}
	if _, err := maps.Update(ctx, made, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if err := eventually(ctx, all, func(s *seen) bool { return s.updated.Load() == 1 }); err != nil {
		return err
	}
	if err := maps.Delete(ctx, "seen", metav1.DeleteOptions{}); err != nil {
		return err
	}
	return eventually(ctx, all, func(s *seen) bool { return s.deleted.Load() == 1 })
}

func eventually(ctx context.Context, all []*seen, holds func(*seen) bool) error {
	for _, each := range all {
		for !holds(each) {
			select {
			case <-ctx.Done():
				return fmt.Errorf("an informer saw %v", each)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	return nil
}

func informersOfEveryKind(ctx context.Context, w *world) error {
	factory := informers.NewSharedInformerFactory(w.typed, 0)
	for _, name := range watched {
		informer, err := factory.ForResource(resourceOf(name))
		if err != nil {
			return err
		}
		if err := informer.Informer().SetWatchErrorHandler(func(_ *cache.Reflector, err error) {
			fmt.Printf("%s: %v\n", name, err)
		}); err != nil {
			return err
		}
		informer.Informer()
	}
	told := &seen{}
	if _, err := factory.Core().V1().ConfigMaps().Informer().AddEventHandler(told.handler(w.namespace)); err != nil {
		return err
	}
	inner, stop := context.WithCancel(ctx)
	defer factory.Shutdown()
	defer stop()
	factory.Start(inner.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("%v did not sync", kind)
		}
	}
	spaces, err := factory.Core().V1().Namespaces().Lister().List(everything)
	if err = first(err, expect(len(spaces) >= 5, "%d namespaces", len(spaces))); err != nil {
		return err
	}
	return changes(ctx, w, told)
}

func dynamicAndMetadataInformers(ctx context.Context, w *world) error {
	dynamics := dynamicinformer.NewDynamicSharedInformerFactory(w.dynamic, 0)
	metadatas := metadatainformer.NewSharedInformerFactory(w.metadata, 0)
	told := []*seen{{}, {}}
	maps := resourceOf("configmaps.v1.")
	for _, name := range watched {
		dynamics.ForResource(resourceOf(name)).Informer()
		metadatas.ForResource(resourceOf(name)).Informer()
	}
	if _, err := dynamics.ForResource(maps).Informer().AddEventHandler(told[0].handler(w.namespace)); err != nil {
		return err
	}
	if _, err := metadatas.ForResource(maps).Informer().AddEventHandler(told[1].handler(w.namespace)); err != nil {
		return err
	}
	inner, stop := context.WithCancel(ctx)
	defer stop()
	dynamics.Start(inner.Done())
	metadatas.Start(inner.Done())
	for kind, synced := range dynamics.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("%v did not sync", kind)
		}
	}
	for kind, synced := range metadatas.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("the metadata of %v did not sync", kind)
		}
	}
	return changes(ctx, w, told...)
}

// watches goes on from versions: RetryWatcher, UntilWithSync, bookmarks.
func watches(ctx context.Context, w *world) error {
	maps := w.typed.CoreV1().ConfigMaps(w.namespace)
	start, err := maps.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	lw := &cache.ListWatch{
		ListFunc: func(options metav1.ListOptions) (runtime.Object, error) { return maps.List(ctx, options) },
		WatchFunc: func(options metav1.ListOptions) (watch.Interface, error) {
			options.TimeoutSeconds = new(int64) // Upstream's own bound: a watch always ends.
			*options.TimeoutSeconds = 1         // So that the watcher has something to retry.
			return maps.Watch(ctx, options)
		},
	}
	retried, err := watchtools.NewRetryWatcher(start.ResourceVersion, lw)
	if err != nil {
		return err
	}
	defer retried.Stop()
	names := []string{"a", "b", "c"}
	for _, name := range names {
		wanted := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := maps.Create(ctx, wanted, metav1.CreateOptions{}); err != nil {
			return err
		}
		for {
			event, open := <-retried.ResultChan()
			if !open || event.Type == watch.Error {
				return fmt.Errorf("the watcher gave up: %v", event.Object)
			}
			if found := event.Object.(*corev1.ConfigMap); found.Name != "kube-root-ca.crt" {
				if event.Type != watch.Added || found.Name != name {
					return fmt.Errorf("%v %v, not %v", event.Type, found.Name, name)
				}
				break
			}
		}
		time.Sleep(1100 * time.Millisecond) // Longer than a watch lives.
	}
	lw.WatchFunc = func(options metav1.ListOptions) (watch.Interface, error) { return maps.Watch(ctx, options) }
	count := 0
	_, err = watchtools.UntilWithSync(ctx, lw, &corev1.ConfigMap{}, nil, func(watch.Event) (bool, error) {
		count++
		return count >= len(names), nil
	})
	if err != nil {
		return err
	}
	return initialEvents(ctx, w)
}

// initialEvents is the streaming list that informers do, seen raw.
func initialEvents(ctx context.Context, w *world) error {
	yes := true
	stream, err := w.typed.CoreV1().ConfigMaps(w.namespace).Watch(ctx, metav1.ListOptions{
		SendInitialEvents: &yes, AllowWatchBookmarks: true,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
		FieldSelector:        fields.OneTermEqualSelector("metadata.name", "a").String(),
	})
	if err != nil {
		return err
	}
	defer stream.Stop()
	added := <-stream.ResultChan()
	mark := <-stream.ResultChan()
	accessor, err := meta.Accessor(mark.Object)
	return first(err,
		expect(added.Type == watch.Added && mark.Type == watch.Bookmark, "%v %v", added, mark),
		expect(accessor.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true", "%v", mark))
}

// oldVersions asks for what is too old, too new, and nonsense.
func oldVersions(ctx context.Context, w *world) error {
	maps := w.typed.CoreV1().ConfigMaps(w.namespace)
	_, err := maps.List(ctx, metav1.ListOptions{ResourceVersion: "999999999", ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan})
	if err := expect(apierrors.IsTimeout(err) && apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge),
		"from the future: %v", err); err != nil {
		return err
	}
	_, err = maps.List(ctx, metav1.ListOptions{Continue: "nonsense", Limit: 1})
	if err := expect(apierrors.IsBadRequest(err), "a token of nonsense: %v", err); err != nil {
		return err
	}
	_, err = maps.Watch(ctx, metav1.ListOptions{ResourceVersion: "nonsense"})
	if err := expect(apierrors.IsBadRequest(err) || apierrors.IsInvalid(err), "watch from nonsense: %v", err); err != nil {
		return err
	}
	_, err = maps.List(ctx, metav1.ListOptions{ResourceVersion: "5", ResourceVersionMatch: "Roughly"})
	if err := expect(apierrors.IsInvalid(err), "an unknown match: %v", err); err != nil {
		return err
	}
	yes := true
	_, err = maps.Watch(ctx, metav1.ListOptions{SendInitialEvents: &yes})
	return expect(apierrors.IsInvalid(err) && strings.Contains(err.Error(), "sendInitialEvents"), "%v", err)
}

// pages lists in pieces, over and over what changes meanwhile.
func pages(ctx context.Context, w *world) error {
	maps := w.typed.CoreV1().ConfigMaps(w.namespace)
	const many = 25
	for n := range many {
		wanted := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("p-%02d", n), Labels: map[string]string{"paged": "yes"},
		}}
		if _, err := maps.Create(ctx, wanted, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	piece := 0
	paged := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		found, err := maps.List(ctx, options)
		if err == nil {
			piece++
			if rest := found.RemainingItemCount; piece == 1 && rest == nil {
				return found, fmt.Errorf("the first page does not say how many remain")
			}
			_ = maps.Delete(ctx, fmt.Sprintf("p-%02d", many-piece), metav1.DeleteOptions{})
		}
		return found, err
	})
	paged.PageSize = 4
	names := map[string]bool{}
	err := paged.EachListItem(ctx, metav1.ListOptions{}, func(object runtime.Object) error {
		if name := object.(*corev1.ConfigMap).Name; strings.HasPrefix(name, "p-") {
			names[name] = true
		}
		return nil
	})
	return first(err, expect(len(names) == many, "%d of %d were seen in %d pages", len(names), many, piece))
}
