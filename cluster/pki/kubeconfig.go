package pki

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfig says what a kubeconfig file must hold, besides its credentials.
type kubeconfig struct {
	cluster, user, context string
	server                 string
}

// credentials are the client certificate and key that a kubeconfig embeds;
// none when it is damaged or embeds none.
func (k kubeconfig) credentials(data []byte) pair {
	cfg, err := clientcmd.Load(data)
	if err != nil {
		return pair{}
	}
	user := cfg.AuthInfos[k.user]
	if user == nil {
		return pair{}
	}
	return pair{cert: user.ClientCertificateData, key: user.ClientKeyData}
}

// encode writes the kubeconfig with everything embedded.
func (k kubeconfig) encode(ca *authority, p pair) ([]byte, error) {
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters[k.cluster] = &clientcmdapi.Cluster{Server: k.server, CertificateAuthorityData: ca.certPEM}
	cfg.AuthInfos[k.user] = &clientcmdapi.AuthInfo{ClientCertificateData: p.cert, ClientKeyData: p.key}
	cfg.Contexts[k.context] = &clientcmdapi.Context{Cluster: k.cluster, AuthInfo: k.user}
	cfg.CurrentContext = k.context
	data, err := clientcmd.Write(*cfg)
	if err != nil {
		return nil, fmt.Errorf("encode kubeconfig of %s: %w", k.user, err)
	}
	return data, nil
}
