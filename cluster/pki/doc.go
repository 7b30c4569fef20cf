// Package pki makes the certificates, keys and kubeconfigs of a lab, in
// kubeadm's layout, with kubeadm's own certificate code.
//
// The lab keeps the authorities; nodes get copies of what they need and leaf
// certificates of their own:
//
//	Config.Dir/                      never visible to a node
//	  ca.{crt,key}                   signs everything of the cluster API
//	  etcd/ca.{crt,key}              signs everything of etcd
//	  front-proxy-ca.{crt,key}       signs the aggregation layer's client
//	  sa.{key,pub}                   signs service account tokens
//	  admin.conf                     the user's kubeconfig
//	  supervisor.conf                the supervisor's, told apart in audit logs
//	  etcd/admin.{crt,key}           client for etcdctl and the supervisor
//
//	control plane: Root/etc/kubernetes/
//	  {controller-manager,scheduler,cloud-controller-manager}.conf
//	  pki/{ca,sa}.*, front-proxy-*, apiserver*, etcd/*
//
//	worker: Root/etc/kubernetes/
//	  {kubelet,kube-proxy}.conf
//	  pki/ca.crt, pki/kubelet.{crt,key}
//
// Ensure is idempotent: a file whose content is right is left alone. Authorities
// and the service account key are made once and never replaced, because every
// other credential and every token rests on them; when one is damaged, Ensure
// says so and stops. All else can be made anew from them at any time, and is,
// when it is missing, damaged, about to expire or no longer what is wanted.
//
// Authorities are valid for ten years. Leaves are valid for one year, as
// kubeadm makes them, so that what a participant inspects is what a production
// cluster shows; each start of the lab renews what expires within 30 days.
package pki
