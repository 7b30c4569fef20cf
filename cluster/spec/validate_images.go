package spec

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
)

// registryHost is what stands before the first slash of an image's name.
var registryHost = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)

func (c *checker) checkRegistries() {
	registries := c.lab.Spec.Images.Registries
	for _, host := range slices.Sorted(maps.Keys(registries)) {
		p := registriesPath.child(host)
		if !registryHost.MatchString(host) {
			c.refuse(p, "write what image names begin with, such as registry.example:5000", "%q is no host of a registry", clip(host))
		}
		text := registries[host].URL
		if text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !registryHost.MatchString(u.Host) || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil {
			c.refuse(p.child("url"), "write http://HOST:PORT or https://HOST:PORT", "%q is no address of a registry", clip(text))
			continue
		}
		if registries[host].Insecure && u.Scheme == "http" {
			c.refuse(p.child("insecure"), "leave it out: http has no certificate", "insecure is for https, and the URL is %q", clip(text))
		}
	}
}
