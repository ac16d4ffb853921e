package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/util/retry"
)

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}}
}

func podSpec() corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{{
		Name: "c", Image: "busybox", Command: []string{"sleep", "infinity"},
	}}}
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: named(name),
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
			Template: corev1.PodTemplateSpec{ObjectMeta: named(name), Spec: podSpec()},
		},
	}
}

// crud makes, reads, changes and deletes objects whose fields are of every kind that protobuf has.
func crud(ctx context.Context, w *world) error {
	maps := w.typed.CoreV1().ConfigMaps(w.namespace)
	yes := true
	sent := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "m", Annotations: map[string]string{"a/b": "ü\n"}},
		Data:       map[string]string{"empty": "", "text": "line\n\ttab"},
		BinaryData: map[string][]byte{"octets": {0, 255, 128}},
	}
	made, err := maps.Create(ctx, sent, metav1.CreateOptions{FieldManager: "crud"})
	if err != nil {
		return err
	}
	if err := first(
		expect(equality.Semantic.DeepEqual(made.Data, sent.Data), "data: %v", made.Data),
		expect(equality.Semantic.DeepEqual(made.BinaryData, sent.BinaryData), "binaryData: %v", made.BinaryData),
		expect(made.UID != "" && made.ResourceVersion != "", "no uid or version"),
		expect(len(made.ManagedFields) == 1 && made.ManagedFields[0].Manager == "crud", "%v", made.ManagedFields),
	); err != nil {
		return err
	}
	made.Immutable = &yes
	changed, err := maps.Update(ctx, made, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	changed.Data["text"] = "another"
	_, err = maps.Update(ctx, changed, metav1.UpdateOptions{})
	if err := expect(apierrors.IsInvalid(err), "an immutable map was changed: %v", err); err != nil {
		return err
	}
	uid := types.UID("another")
	err = maps.Delete(ctx, "m", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	if err := expect(apierrors.IsConflict(err), "a precondition was ignored: %v", err); err != nil {
		return err
	}
	if err := maps.Delete(ctx, "m", *metav1.NewPreconditionDeleteOptions(string(made.UID))); err != nil {
		return err
	}
	_, err = maps.Get(ctx, "m", metav1.GetOptions{})
	if err := expect(apierrors.IsNotFound(err), "still there: %v", err); err != nil {
		return err
	}
	return first(crudOfWorkloads(ctx, w), crudOfServices(ctx, w))
}

func crudOfWorkloads(ctx context.Context, w *world) error {
	quantity := resource.MustParse("1500m")
	port := intstr.FromString("web")
	spec := podSpec()
	spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: quantity}
	spec.Containers[0].Ports = []corev1.ContainerPort{{Name: "web", ContainerPort: 80}}
	spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
		HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: port},
	}}
	spec.RestartPolicy = corev1.RestartPolicyNever
	suspended := true
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "j"},
		Spec:       batchv1.JobSpec{Suspend: &suspended, Template: corev1.PodTemplateSpec{Spec: spec}},
	}
	dry, err := w.typed.BatchV1().Jobs(w.namespace).Create(
		ctx, job, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return err
	}
	if _, err = w.typed.BatchV1().Jobs(w.namespace).Get(ctx, "j", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("a dry run was stored: %v", err)
	}
	made, err := w.typed.BatchV1().Jobs(w.namespace).Create(ctx, job, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	container := made.Spec.Template.Spec.Containers[0]
	found := container.Resources.Limits[corev1.ResourceCPU]
	if err := first(
		expect(*made.Spec.BackoffLimit == 6 && *made.Spec.Completions == 1, "defaults: %v", made.Spec),
		expect(found.Cmp(quantity) == 0, "cpu: %v", found),
		expect(container.ReadinessProbe.HTTPGet.Port == port, "port: %v", container.ReadinessProbe),
		expect(dry.Spec.Template.Labels["batch.kubernetes.io/job-name"] == "j", "%v", dry.Spec.Template.Labels),
		expect(made.Spec.Selector.MatchLabels["batch.kubernetes.io/controller-uid"] == string(made.UID), "%v", made.Spec.Selector),
	); err != nil {
		return err
	}
	made.Status.Active = 3
	written, err := w.typed.BatchV1().Jobs(w.namespace).UpdateStatus(ctx, made, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) { // The job controller came first.
		return nil
	}
	return first(err, expect(written == nil || written.Status.Active == 3, "status: %v", written.Status))
}

func crudOfServices(ctx context.Context, w *world) error {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "s"},
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeNodePort,
			Selector: map[string]string{"app": "s"},
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("web")}},
		},
	}
	made, err := w.typed.CoreV1().Services(w.namespace).Create(ctx, service, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	exact := networkingv1.PathTypeExact
	ingress := &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Name: "i"},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
			Host: "a.example.com",
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{{
					Path: "/", PathType: &exact,
					Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
						Name: "s", Port: networkingv1.ServiceBackendPort{Number: 80},
					}},
				}},
			}},
		}}},
	}
	_, err = w.typed.NetworkingV1().Ingresses(w.namespace).Create(ctx, ingress, metav1.CreateOptions{})
	return first(
		err,
		expect(made.Spec.Ports[0].NodePort >= 30000 && made.Spec.ClusterIP != "", "spec: %v", made.Spec),
		expect(*made.Spec.IPFamilyPolicy == corev1.IPFamilyPolicySingleStack, "%v", made.Spec),
	)
}

// patches tries the three kinds of patches, and subresources.
func patches(ctx context.Context, w *world) error {
	api := w.typed.AppsV1().Deployments(w.namespace)
	if _, err := api.Create(ctx, deployment("d", 0), metav1.CreateOptions{}); err != nil {
		return err
	}
	strategic := `{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"busybox"}]}}}}`
	got, err := api.Patch(ctx, "d", types.StrategicMergePatchType, []byte(strategic), metav1.PatchOptions{})
	if err = first(err, expect(err != nil || len(got.Spec.Template.Spec.Containers) == 2, "%v", got)); err != nil {
		return err
	}
	merge := `{"metadata":{"annotations":{"x":"y"}}}`
	got, err = api.Patch(ctx, "d", types.MergePatchType, []byte(merge), metav1.PatchOptions{})
	if err = first(err, expect(err != nil || got.Annotations["x"] == "y", "%v", got)); err != nil {
		return err
	}
	test := `[{"op":"test","path":"/metadata/annotations/x","value":"z"}]`
	_, err = api.Patch(ctx, "d", types.JSONPatchType, []byte(test), metav1.PatchOptions{})
	if err := expect(apierrors.IsInvalid(err), "a test that fails: %v", err); err != nil {
		return err
	}
	_, err = api.Patch(ctx, "d", types.JSONPatchType, []byte(`{"not":"a list"}`), metav1.PatchOptions{})
	if err := expect(apierrors.IsBadRequest(err), "not a JSON patch: %v", err); err != nil {
		return err
	}
	scale := `{"spec":{"replicas":0}}`
	_, err = api.Patch(ctx, "d", types.MergePatchType, []byte(scale), metav1.PatchOptions{}, "scale")
	return err
}

// refusals looks at the reasons of errors, and at their causes.
func refusals(ctx context.Context, w *world) error {
	core := w.typed.CoreV1()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "Not_A_Name"}, Spec: podSpec()}
	pod.Spec.Containers[0].Image = ""
	_, err := core.Pods(w.namespace).Create(ctx, pod, metav1.CreateOptions{})
	status, ok := err.(apierrors.APIStatus)
	if !ok || !apierrors.IsInvalid(err) || !apierrors.HasStatusCause(err, metav1.CauseTypeFieldValueInvalid) {
		return fmt.Errorf("an invalid pod: %v", err)
	}
	causes := status.Status().Details.Causes
	if err := expect(len(causes) == 2 && causes[1].Field == "spec.containers[0].image", "%v", causes); err != nil {
		return err
	}
	twice := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	_, err = core.Namespaces().Create(ctx, twice, metav1.CreateOptions{})
	if err := expect(apierrors.IsAlreadyExists(err), "made twice: %v", err); err != nil {
		return err
	}
	_, err = core.Secrets("nowhere-at-all").Create(
		ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}}, metav1.CreateOptions{})
	if err := expect(apierrors.IsNotFound(err), "in no namespace: %v", err); err != nil {
		return err
	}
	nobody := metav1.GetOptions{ResourceVersion: "nonsense"}
	_, err = core.Namespaces().Get(ctx, w.namespace, nobody)
	if err := expect(apierrors.IsInvalid(err) || apierrors.IsBadRequest(err), "version: %v", err); err != nil {
		return err
	}
	large := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "large"},
		Data:       map[string]string{"x": strings.Repeat("x", 1<<20+1)},
	}
	_, err = core.ConfigMaps(w.namespace).Create(ctx, large, metav1.CreateOptions{})
	if err := expect(apierrors.IsInvalid(err), "a large map: %v", err); err != nil {
		return err
	}
	large.Data["x"] = strings.Repeat("x", 4<<20)
	_, err = core.ConfigMaps(w.namespace).Create(ctx, large, metav1.CreateOptions{})
	return expect(apierrors.IsRequestEntityTooLargeError(err), "a large body: %v", err)
}

// conflicts lets many count in one object; RetryOnConflict loses nothing.
func conflicts(ctx context.Context, w *world) error {
	maps := w.typed.CoreV1().ConfigMaps(w.namespace)
	start := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "count"}, Data: map[string]string{"n": ""}}
	if _, err := maps.Create(ctx, start, metav1.CreateOptions{}); err != nil {
		return err
	}
	const writers, times = 4, 5
	patience := retry.DefaultBackoff
	patience.Steps = 100
	var group sync.WaitGroup
	errs := make(chan error, writers)
	for range writers {
		group.Add(1)
		go func() {
			defer group.Done()
			for range times {
				err := retry.RetryOnConflict(patience, func() error {
					found, err := maps.Get(ctx, "count", metav1.GetOptions{})
					if err != nil {
						return err
					}
					found.Data["n"] += "x"
					_, err = maps.Update(ctx, found, metav1.UpdateOptions{})
					return err
				})
				if err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	group.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	found, err := maps.Get(ctx, "count", metav1.GetOptions{})
	return first(err, expect(err != nil || len(found.Data["n"]) == writers*times, "%v", found.Data))
}

// collections lists by selectors and deletes what they keep.
func collections(ctx context.Context, w *world) error {
	maps := w.typed.CoreV1().ConfigMaps(w.namespace)
	for n := range 20 {
		wanted := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("m-%02d", n), Labels: map[string]string{"even": fmt.Sprint(n%2 == 0)},
		}}
		if _, err := maps.Create(ctx, wanted, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	even := metav1.ListOptions{LabelSelector: "even in (true),!odd"}
	found, err := maps.List(ctx, even)
	if err = first(err, expect(err != nil || len(found.Items) == 10, "%v", found)); err != nil {
		return err
	}
	one, err := maps.List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=m-03"})
	if err = first(err, expect(err != nil || len(one.Items) == 1, "%v", one)); err != nil {
		return err
	}
	_, err = maps.List(ctx, metav1.ListOptions{FieldSelector: "data.x=y"})
	if err := expect(apierrors.IsBadRequest(err), "a field there is not: %v", err); err != nil {
		return err
	}
	now := int64(0)
	if err := maps.DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, even); err != nil {
		return err
	}
	left, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "even"})
	return first(err, expect(err != nil || len(left.Items) == 10, "%d are left", len(left.Items)))
}
