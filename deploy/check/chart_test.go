package check_test

import (
	"bytes"
	"io"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"

	"github.com/flowgauge/flowgauge/backend/config"
)

const chartDir = "../helm/flowgauge"

// load reads the chart once. Helm prints that links are followed, which is what they are for.
var load = sync.OnceValues(func() (*chart.Chart, error) {
	log.SetOutput(io.Discard)
	defer log.SetOutput(os.Stderr)
	return loader.Load(chartDir)
})

// render returns the chart's manifests by kind and name, strictly decoded.
func render(t *testing.T, values string) (map[string]any, error) {
	t.Helper()
	c, err := load()
	require.NoError(t, err)
	given, err := chartutil.ReadValues([]byte(values))
	require.NoError(t, err)
	options := chartutil.ReleaseOptions{Name: "fg", Namespace: "analytics", IsInstall: true}
	all, err := chartutil.ToRenderValues(c, given, options, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	manifests := map[string]any{}
	for path, text := range files {
		if strings.HasSuffix(path, ".txt") {
			continue
		}
		for document := range strings.SplitSeq("\n"+text, "\n---\n") {
			if len(bytes.TrimSpace([]byte(document))) == 0 {
				continue
			}
			var head struct {
				Kind     string
				Metadata struct{ Name string }
			}
			require.NoError(t, yaml.Unmarshal([]byte(document), &head), document)
			name := head.Kind + " " + head.Metadata.Name
			require.NotContains(t, manifests, name)
			into := decode(t, head.Kind)
			require.NoError(t, yaml.UnmarshalStrict([]byte(document), into), "%s:\n%s", path, document)
			manifests[name] = into
		}
	}
	return manifests, nil
}

func decode(t *testing.T, kind string) any {
	t.Helper()
	kinds := map[string]any{
		"ConfigMap": &core.ConfigMap{}, "Deployment": &apps.Deployment{}, "NetworkPolicy": &networking.NetworkPolicy{},
		"PodDisruptionBudget": &policy.PodDisruptionBudget{}, "Service": &core.Service{}, "ServiceAccount": &core.ServiceAccount{},
		"ServiceMonitor": &serviceMonitor{}, "StatefulSet": &apps.StatefulSet{},
	}
	require.Contains(t, kinds, kind)
	return kinds[kind]
}

// serviceMonitor is what the chart writes of the operator's kind.
type serviceMonitor struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		Endpoints []struct{ Port, Path, Interval string } `json:"endpoints"`
	} `json:"spec"`
}

func mustRender(t *testing.T, values string) map[string]any {
	t.Helper()
	m, err := render(t, values)
	require.NoError(t, err)
	return m
}

func valuesFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, name := range names(t, "deploy/check/testdata", ".yaml") {
		files[strings.TrimSuffix(name, ".yaml")] = read(t, filepath.Join("testdata", name))
	}
	return files
}

func TestChartLint(t *testing.T) {
	log.SetOutput(io.Discard)
	defer log.SetOutput(os.Stderr)
	for name, text := range valuesFiles(t) {
		values, err := chartutil.ReadValues([]byte(text))
		require.NoError(t, err)
		for _, m := range lint.AllWithKubeVersion(chartDir, values, "analytics", nil).Messages {
			assert.LessOrEqual(t, m.Severity, support.InfoSev, "%s: %s", name, m)
		}
	}
}

// pods are the chart's workloads.
func pods(manifests map[string]any) map[string]core.PodTemplateSpec {
	out := map[string]core.PodTemplateSpec{}
	for name, m := range manifests {
		switch m := m.(type) {
		case *apps.Deployment:
			out[name] = m.Spec.Template
		case *apps.StatefulSet:
			out[name] = m.Spec.Template
		}
	}
	return out
}

func TestChartWorkloads(t *testing.T) {
	want := map[string][]string{
		"small": {"Deployment fg-flowgauge-server", "StatefulSet fg-flowgauge-collector"},
		"full":  {"Deployment fg-flowgauge-collector", "Deployment fg-flowgauge-server", "Deployment fg-flowgauge-sink"},
	}
	for name, values := range valuesFiles(t) {
		t.Run(name, func(t *testing.T) {
			manifests := mustRender(t, values)
			workloads := pods(manifests)
			assert.Equal(t, want[name], slices.Sorted(maps.Keys(workloads)))
			for workload, pod := range workloads {
				role := workload[strings.LastIndex(workload, "-")+1:]
				t.Run(role, func(t *testing.T) {
					checkPod(t, role, pod)
					cfg := podConfig(t, manifests, role, pod.Spec)
					kafka := name == "full"
					assert.Equal(t, kafka && role != "server", len(cfg.Kafka.Brokers) > 0)
					assert.Equal(t, role == "sink", !cfg.Receive.Enabled)
					assert.Equal(t, kafka && role == "collector", !cfg.Sink.Enabled)
					assert.Equal(t, kafka && role == "collector", !cfg.Rollup.Enabled)
					assert.Equal(t, "/var/lib/flowgauge", cfg.DataDir)
					assert.Equal(t, ":8080", cfg.HTTP.Listen)
					assert.Equal(t, kafka, cfg.History.Days == 90, "settings of the values' config")

					service := manifests["Service fg-flowgauge-"+role].(*core.Service)
					assert.Equal(t, "http", service.Spec.Ports[0].TargetPort.StrVal)
					for key, value := range service.Spec.Selector {
						assert.Equal(t, value, pod.Labels[key])
					}
					budget := manifests["PodDisruptionBudget fg-flowgauge-"+role].(*policy.PodDisruptionBudget)
					assert.Equal(t, service.Spec.Selector, budget.Spec.Selector.MatchLabels)
				})
			}
		})
	}
}

func checkPod(t *testing.T, role string, pod core.PodTemplateSpec) {
	t.Helper()
	spec := pod.Spec
	assert.False(t, *spec.AutomountServiceAccountToken)
	assert.False(t, *spec.EnableServiceLinks)
	assert.True(t, *spec.SecurityContext.RunAsNonRoot)
	assert.EqualValues(t, 65532, *spec.SecurityContext.FSGroup)
	assert.Equal(t, core.SeccompProfileTypeRuntimeDefault, spec.SecurityContext.SeccompProfile.Type)
	require.Len(t, spec.Containers, 1)
	c := spec.Containers[0]
	assert.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
	assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
	assert.Equal(t, []core.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop)
	assert.Empty(t, c.Env, "secrets come from files")
	assert.Equal(t, "registry.example.com/flowgauge:0.1.0", c.Image)
	assert.NotZero(t, c.Resources.Requests.Cpu())
	assert.NotZero(t, c.Resources.Limits.Memory())
	require.Len(t, c.Ports, 1)
	assert.EqualValues(t, 8080, c.Ports[0].ContainerPort)
	assert.Equal(t, "/healthz", c.LivenessProbe.HTTPGet.Path)
	ready := map[string]string{"collector": "/healthz", "sink": "/readyz", "server": "/readyz"}
	assert.Equal(t, ready[role], c.ReadinessProbe.HTTPGet.Path)
	for _, probe := range []*core.Probe{c.LivenessProbe, c.ReadinessProbe} {
		assert.Equal(t, c.Ports[0].Name, probe.HTTPGet.Port.StrVal)
	}
	command := map[string]string{"collector": "collector", "sink": "collector", "server": "server"}
	assert.Equal(t, []string{command[role], "--config", "/etc/flowgauge/config/" + role + ".yaml"}, c.Args)
}

// podConfig loads what a pod's process loads, with its secrets where they are mounted.
func podConfig(t *testing.T, manifests map[string]any, role string, spec core.PodSpec) (cfg config.Config) {
	t.Helper()
	secrets := t.TempDir()
	for _, v := range spec.Volumes {
		if v.Name != "secrets" {
			continue
		}
		for _, source := range v.Projected.Sources {
			for _, item := range source.Secret.Items {
				path := filepath.Join(secrets, item.Path)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
				require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte(source.Secret.Name[:1]), 40), 0o600))
			}
		}
	}
	text := manifests["ConfigMap fg-flowgauge"].(*core.ConfigMap).Data[role+".yaml"]
	file := filepath.Join(t.TempDir(), role+".yaml")
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(text, "/etc/flowgauge/secrets", secrets)), 0o600))
	cfg = configure(t, file, nil)
	assert.Equal(t, strings.Repeat("c", 40), cfg.ClickHouse.Password)
	assert.Equal(t, strings.Repeat("c", 40), cfg.ClickHouse.ReaderPassword)
	return cfg
}

// What is missing or misspelt is said, with what to do.
func TestChartRefuses(t *testing.T) {
	small := valuesFiles(t)["small"]
	for change, want := range map[string]string{
		"clickhouse: {addr: ''}":                                          "clickhouse.addr: give HOST:PORT",
		"clickhouse: {existingSecret: ''}":                                "clickhouse.existingSecret: name the Secret",
		"image: {repository: ''}":                                         "image.repository: build deploy/Dockerfile",
		"clickhouse: {adress: 'x:1'}":                                     "adress",
		"clickhouse: {addr: nowhere}":                                     "addr",
		"kafka: {brokers: [no-port]}":                                     "brokers",
		"kafka: {sasl: {mechanism: magic}}":                               "mechanism",
		"collector: {log: {maxBytes: 1}}":                                 "maxBytes",
		"kafka: {brokers: ['k:9092'], sasl: {mechanism: plain, user: u}}": "kafka.sasl.existingSecret: name the Secret",
	} {
		base, err := chartutil.ReadValues([]byte(small))
		require.NoError(t, err)
		over, err := chartutil.ReadValues([]byte(change))
		require.NoError(t, err)
		text, err := chartutil.Values(chartutil.CoalesceTables(over, base)).YAML()
		require.NoError(t, err)
		_, err = render(t, text)
		require.ErrorContains(t, err, want, change)
	}
}

// The write-ahead log is on a claim that stays; its limit fits into the claim.
func TestChartLog(t *testing.T) {
	manifests := mustRender(t, valuesFiles(t)["small"])
	set := manifests["StatefulSet fg-flowgauge-collector"].(*apps.StatefulSet)
	require.Len(t, set.Spec.VolumeClaimTemplates, 1)
	claim := set.Spec.VolumeClaimTemplates[0]
	mount := set.Spec.Template.Spec.Containers[0].VolumeMounts[2]
	assert.Equal(t, claim.Name, mount.Name)
	cfg := podConfig(t, manifests, "collector", set.Spec.Template.Spec)
	assert.Equal(t, cfg.DataDir, mount.MountPath)
	assert.Less(t, cfg.WAL.MaxBytes, claim.Spec.Resources.Requests.Storage().Value())
}

func TestChartNetworkPolicy(t *testing.T) {
	manifests := mustRender(t, valuesFiles(t)["full"])
	for role, peers := range map[string]int{"collector": 2, "server": 2, "sink": 1} {
		p := manifests["NetworkPolicy fg-flowgauge-"+role].(*networking.NetworkPolicy)
		require.Len(t, p.Spec.Ingress, 1, role)
		assert.Len(t, p.Spec.Ingress[0].From, peers, role)
		monitor := manifests["ServiceMonitor fg-flowgauge-"+role].(*serviceMonitor)
		assert.Equal(t, manifests["Service fg-flowgauge-"+role].(*core.Service).Spec.Selector, monitor.Spec.Selector.MatchLabels)
	}
	manifests = mustRender(t, valuesFiles(t)["small"]+"\nnetworkPolicy: {enabled: true}\n")
	assert.Empty(t, manifests["NetworkPolicy fg-flowgauge-server"].(*networking.NetworkPolicy).Spec.Ingress, "nobody, not everybody")
}

// What Grafana's sidecars get is what the repository has.
func TestChartGrafana(t *testing.T) {
	manifests := mustRender(t, valuesFiles(t)["full"])
	data := func(name string) map[string]string {
		return manifests["ConfigMap fg-flowgauge-"+name].(*core.ConfigMap).Data
	}
	for _, file := range names(t, "dashboards", ".json") {
		name := "dashboard-" + strings.TrimSuffix(file, ".json")
		assert.Equal(t, read(t, filepath.Join(repository, "dashboards", file)), data(name)["flowgauge-"+file])
	}
	for file, text := range map[string]string{
		"datasources/flowgauge.yaml": data("datasource")["flowgauge.yaml"], "alerting/rules.yaml": data("alerts")["flowgauge-rules.yaml"],
		"alerting/mute-timings.yaml": data("alerts")["flowgauge-mute-timings.yaml"],
	} {
		assert.Equal(t, strings.TrimSpace(read(t, filepath.Join(repository, "provisioning", file))), strings.TrimSpace(text), file)
	}
	assert.Equal(t, map[string]string{
		"FLOWGAUGE_CLICKHOUSE_HOST": "clickhouse.data.svc", "FLOWGAUGE_CLICKHOUSE_PORT": "9440", "FLOWGAUGE_CLICKHOUSE_SECURE": "true",
		"FLOWGAUGE_CLICKHOUSE_DATABASE": "flowgauge", "FLOWGAUGE_CLICKHOUSE_USER": "flowgauge_reader", "FLOWGAUGE_TENANT": "acme",
	}, data("grafana"))
	datasource := read(t, filepath.Join(repository, "provisioning", "datasources", "flowgauge.yaml"))
	for variable := range data("grafana") {
		assert.Contains(t, datasource, "$"+variable)
	}
}
