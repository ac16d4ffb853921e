package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	jsonserializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/openapi3"
	"k8s.io/client-go/restmapper"
)

var everything = labels.Everything()

// discoveryAndMapping reads what kinds there are, as every dynamic client does.
func discoveryAndMapping(_ context.Context, w *world) error {
	client, err := discovery.NewDiscoveryClientForConfig(w.config)
	if err != nil {
		return err
	}
	groups, aggregated, failed, err := client.GroupsAndMaybeResources()
	if err = first(err, expect(len(failed) == 0 && len(groups.Groups) > 15, "%v %v", groups, failed)); err != nil {
		return err
	}
	client.UseLegacyDiscovery = true
	_, legacy, err := client.ServerGroupsAndResources()
	if err != nil {
		return err
	}
	for _, list := range legacy {
		version, _ := schema.ParseGroupVersion(list.GroupVersion)
		other := aggregated[version]
		if other == nil {
			return fmt.Errorf("%v is not in the aggregated form", version)
		}
		if err := sameResources(list, other); err != nil {
			return err
		}
	}
	client.UseLegacyDiscovery = false
	cached := memory.NewMemCacheClient(client)
	mapper := restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(cached), cached, func(string) {})
	for short, kind := range map[string]string{
		"po": "Pod", "deploy": "Deployment", "sts": "StatefulSet", "crd": "CustomResourceDefinition",
		"hpa": "HorizontalPodAutoscaler", "netpol": "NetworkPolicy", "pdb": "PodDisruptionBudget", "sc": "StorageClass",
		"ev": "Event", "endpointslices": "EndpointSlice", "cj": "CronJob", "pc": "PriorityClass", "csr": "CertificateSigningRequest",
	} {
		found, err := mapper.KindFor(schema.GroupVersionResource{Resource: short})
		if err = first(err, expect(found.Kind == kind, "%s is %v", short, found)); err != nil {
			return err
		}
		mapping, err := mapper.RESTMapping(found.GroupKind(), found.Version)
		if err = first(err, expect(mapping.Resource.Resource != "", "%v", mapping)); err != nil {
			return err
		}
	}
	hpa, err := mapper.RESTMapping(schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"})
	return first(err, expect(hpa.Resource.Version == "v2", "preferred: %v", hpa.Resource))
}

func sameResources(legacy, aggregated *metav1.APIResourceList) error {
	others := map[string]metav1.APIResource{}
	for _, each := range aggregated.APIResources {
		others[each.Name] = each
	}
	for _, each := range legacy.APIResources {
		other, there := others[each.Name]
		if !there {
			return fmt.Errorf("%s has %s in one form alone", legacy.GroupVersion, each.Name)
		}
		if strings.Join(each.Verbs, ",") != strings.Join(other.Verbs, ",") || each.Kind != other.Kind ||
			each.Namespaced != other.Namespaced || strings.Join(each.ShortNames, ",") != strings.Join(other.ShortNames, ",") {
			return fmt.Errorf("%s: %v in one form, %v in the other", legacy.GroupVersion, each, other)
		}
	}
	return expect(len(legacy.APIResources) == len(others), "%s: %d and %d resources",
		legacy.GroupVersion, len(legacy.APIResources), len(others))
}

// openAPI reads both documents as client-go parses them.
func openAPI(_ context.Context, w *world) error {
	client := w.typed.Discovery()
	second, err := client.OpenAPISchema()
	if err = first(err, expect(len(second.GetDefinitions().GetAdditionalProperties()) > 300, "too few definitions")); err != nil {
		return err
	}
	root := openapi3.NewRoot(client.OpenAPIV3())
	versions, err := root.GroupVersions()
	if err = first(err, expect(len(versions) > 20, "%v", versions)); err != nil {
		return err
	}
	for _, version := range versions {
		spec, err := root.GVSpec(version)
		if err != nil {
			return fmt.Errorf("%v: %w", version, err)
		}
		if spec.Components == nil || len(spec.Components.Schemas) == 0 {
			return fmt.Errorf("%v has no schemas", version)
		}
	}
	return nil
}

// strict lists every kind as JSON and decodes it strictly into client-go's own types: a field that
// they do not have, or have in another form, is an error.
func strict(ctx context.Context, w *world) error {
	lists, err := discovery.ServerPreferredResources(w.typed.Discovery())
	if err != nil {
		return err
	}
	decoder := jsonserializer.NewSerializerWithOptions(
		jsonserializer.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, jsonserializer.SerializerOptions{Strict: true})
	var wrong []string
	kinds := 0
	for _, list := range lists {
		version, _ := schema.ParseGroupVersion(list.GroupVersion)
		for _, resource := range list.APIResources {
			known := scheme.Scheme.Recognizes(version.WithKind(resource.Kind))
			if !known || !strings.Contains(strings.Join(resource.Verbs, ","), "list") {
				continue
			}
			found, err := w.dynamic.Resource(version.WithResource(resource.Name)).List(ctx, metav1.ListOptions{})
			if err != nil {
				return fmt.Errorf("%s: %w", resource.Name, err)
			}
			kinds++
			for _, item := range found.Items {
				if err := strictlyDecoded(decoder, &item); err != nil {
					wrong = append(wrong, fmt.Sprintf("%s %s: %v", item.GetKind(), item.GetName(), err))
				}
			}
		}
	}
	if len(wrong) > 12 {
		wrong = wrong[:12]
	}
	return first(expect(len(wrong) == 0, "%s", strings.Join(wrong, "\n")), expect(kinds > 40, "%d kinds", kinds))
}

func strictlyDecoded(decoder *jsonserializer.Serializer, item *unstructured.Unstructured) error {
	octets, err := json.Marshal(item)
	if err != nil {
		return err
	}
	_, _, err = decoder.Decode(octets, nil, nil)
	return err
}
