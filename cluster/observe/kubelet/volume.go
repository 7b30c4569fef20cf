package kubelet

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"workbench/cluster/event"
)

// changedVolumes are the pods whose volumes are not as told; those that are gone
// have none.
func (t *Tap) changedVolumes() []event.KubeletPodVolumes {
	now := volumesOf(t.Pods, t.Mounts)
	var changed []event.KubeletPodVolumes
	for uid, volumes := range now {
		if !slices.Equal(volumes, t.volumes[uid]) {
			changed = append(changed, event.KubeletPodVolumes{UID: uid, Volumes: volumes})
		}
	}
	for uid := range t.volumes {
		if now[uid] == nil {
			changed = append(changed, event.KubeletPodVolumes{UID: uid})
		}
	}
	t.volumes = now
	slices.SortFunc(changed, func(a, b event.KubeletPodVolumes) int { return cmp.Compare(a.UID, b.UID) })
	return changed
}

// volumesOf lists POD/volumes/PLUGIN/NAME below a directory of pods, with what is
// mounted on each. Pods come and go meanwhile: what cannot be read is not there.
func volumesOf(pods, mountTable string) map[string][]event.KubeletVolume {
	mounted := mounts(mountTable, pods)
	found := map[string][]event.KubeletVolume{}
	for _, uid := range names(pods) {
		for _, plugin := range names(filepath.Join(pods, uid, "volumes")) {
			for _, name := range names(filepath.Join(pods, uid, "volumes", plugin)) {
				m := mounted[filepath.Join(pods, uid, "volumes", plugin, name)]
				found[uid] = append(found[uid], event.KubeletVolume{Plugin: plugin, Name: name, FS: m.fs, Source: m.source})
			}
		}
	}
	return found
}

func names(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out
}

type mounted struct{ fs, source string }

// mounts reads a mountinfo table (proc_pid_mountinfo(5)), by mount point. The source
// of a bind mount is the directory it shows.
func mounts(table, below string) map[string]mounted {
	raw, err := os.ReadFile(table)
	if err != nil {
		return nil
	}
	out := map[string]mounted{}
	for line := range strings.Lines(string(raw)) {
		mount, filesystem, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(mount), strings.Fields(filesystem)
		if !ok || len(left) < 5 || len(right) < 2 || !strings.HasPrefix(left[4], below+"/") {
			continue
		}
		m := mounted{fs: right[0], source: right[1]}
		if root := left[3]; root != "/" {
			m.source = root
		}
		out[left[4]] = m
	}
	return out
}
