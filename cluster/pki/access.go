package pki

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// access says what a kubeconfig file must hold, besides its credentials.
type access struct {
	cluster, user, context string
	server                 string
}

// credentials are the client certificate and key that a kubeconfig embeds;
// none when it is damaged or embeds none.
func (a access) credentials(data []byte) pair {
	cfg, err := clientcmd.Load(data)
	if err != nil {
		return pair{}
	}
	user := cfg.AuthInfos[a.user]
	if user == nil {
		return pair{}
	}
	return pair{cert: user.ClientCertificateData, key: user.ClientKeyData}
}

// encode writes the kubeconfig with everything embedded.
func (a access) encode(ca *authority, p pair) ([]byte, error) {
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters[a.cluster] = &clientcmdapi.Cluster{Server: a.server, CertificateAuthorityData: ca.certPEM}
	cfg.AuthInfos[a.user] = &clientcmdapi.AuthInfo{ClientCertificateData: p.cert, ClientKeyData: p.key}
	cfg.Contexts[a.context] = &clientcmdapi.Context{Cluster: a.cluster, AuthInfo: a.user}
	cfg.CurrentContext = a.context
	data, err := clientcmd.Write(*cfg)
	if err != nil {
		return nil, fmt.Errorf("encode kubeconfig of %s: %w", a.user, err)
	}
	return data, nil
}
