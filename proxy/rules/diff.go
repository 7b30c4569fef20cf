package rules

// Diff are the rules that only one of two rulesets has. A rule that moved in its
// chain, or that was written anew as it was, is no difference.
func Diff(before, after *Ruleset) (added, removed []Rule) {
	count := map[string]int{}
	if before != nil {
		for _, r := range before.Rules {
			count[r.id()]++
		}
	}
	for _, r := range after.Rules {
		if id := r.id(); count[id] > 0 {
			count[id]--
		} else {
			added = append(added, r)
		}
	}
	if before == nil {
		return added, nil
	}
	// What is left over, in the order it had.
	for _, r := range before.Rules {
		if id := r.id(); count[id] > 0 {
			count[id]--
			removed = append(removed, r)
		}
	}
	return added, removed
}

func (r Rule) id() string { return r.Table + "\x00" + r.Chain + "\x00" + r.Text }

// Of are the rules that serve a service: those that name it, and the chains they
// lead to.
func (s *Ruleset) Of(key string) []Rule {
	wanted := map[string]bool{}
	var out []Rule
	taken := make([]bool, len(s.Rules))
	for again := true; again; {
		again = false
		for i, r := range s.Rules {
			if taken[i] || !wanted[r.Table+" "+r.Chain] && !r.names(key) {
				continue
			}
			taken[i] = true
			if to := r.Target(); serviceChain(to) && !wanted[r.Table+" "+to] {
				wanted[r.Table+" "+to], again = true, true
			}
		}
	}
	for i, r := range s.Rules {
		if taken[i] {
			out = append(out, r)
		}
	}
	return out
}
