{{- /*
What the operator may do where it serves models, and nothing else: no wildcard, no Secret, no right over Roles, Nodes or
Namespaces. (What nodes have free it may read by a ClusterRole of its own, nodes.yaml.) The same rules are a ClusterRole, or a Role in each of watchNamespaces.
*/}}
{{- define "verdigris.operatorRules" -}}
# What people ask for, and the answer.
- apiGroups: [verdigris.dev]
  resources: [modeldeployments]
  verbs: [get, list, watch]
- apiGroups: [verdigris.dev]
  resources: [rolloutdecisions]
  verbs: [list, watch]
- apiGroups: [verdigris.dev]
  resources: [modeldeployments/status, rolloutdecisions/status]
  verbs: [patch]
# A cluster with the admission plugin OwnerReferencesPermissionEnforcement asks this of whoever sets an owner
# reference with blockOwnerDeletion. It gives no right over the ModelDeployment itself.
- apiGroups: [verdigris.dev]
  resources: [modeldeployments/finalizers]
  verbs: [update]
# Whether another namespace lets this one ask about its model (steps: from). It is a question, and changes nothing.
- apiGroups: [authorization.k8s.io]
  resources: [localsubjectaccessreviews]
  verbs: [create]
# The children of a model. Server-side apply needs create and patch. They are read by lists, by label or by name.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [patch]
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch, create, patch]
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [list, watch, create, patch]
# Those that also come to an end while the model goes on.
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors, prometheusrules]
  verbs: [list, watch, create, patch, delete]
# The Jobs of gates: made, read by name, and ended with their rollout.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [list, create, patch, delete]
{{- if (.Values.gatewayApi).enabled }}
# Routes of gateways: those that it makes, and the weights of those that models name.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [list, watch, create, patch, delete]
{{- end }}
# Which pods are ready and answer, and which of them drain (patch: the traffic annotation). Watched, so that they need
# not be listed at each look. Stuck ones are evicted, so that disruption budgets hold; delete is for what has ended and
# for what a dead node will never end.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch, delete]
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
# What the operator tells people (get, to count what was told before), and what the kubelet tells of stuck pods (list).
- apiGroups: [""]
  resources: [events]
  verbs: [get, list, create, patch]
# Whether the namespace lets a new version's pods in: told in seconds, not minutes after their first refusal.
- apiGroups: [""]
  resources: [resourcequotas, limitranges]
  verbs: [list]
{{- end -}}
