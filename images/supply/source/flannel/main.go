// flanneld as hab's nodes run it: flannel's own subnet manager of Kubernetes, VXLAN and nftables. The stock program
// also has etcd, iptables and eight other backends; one of them is C, which hab does not compile, and one is for a cloud.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/flannel-io/flannel/pkg/backend"
	_ "github.com/flannel-io/flannel/pkg/backend/vxlan"
	"github.com/flannel-io/flannel/pkg/ip"
	"github.com/flannel-io/flannel/pkg/ipmatch"
	"github.com/flannel-io/flannel/pkg/subnet"
	"github.com/flannel-io/flannel/pkg/subnet/kube"
	"github.com/flannel-io/flannel/pkg/trafficmngr/nftables"
	"github.com/flannel-io/flannel/pkg/version"
)

// options are flags of the stock flanneld, under its names.
type options struct {
	iface, netConf, subnetFile, kubeconfig, health string
	masquerade                                     bool
}

func main() {
	var told options
	flag.StringVar(&told.iface, "iface", "", "interface (IP or name) to other nodes; none: that of the default route")
	flag.StringVar(&told.netConf, "net-config-path", "/etc/kube-flannel/net-conf.json", "the network configuration")
	flag.StringVar(&told.subnetFile, "subnet-file", "/run/flannel/subnet.env", "where subnet and MTU are written to")
	flag.StringVar(&told.kubeconfig, "kubeconfig-file", "", "kubeconfig; not needed in a pod")
	flag.StringVar(&told.health, "healthz", "127.0.0.1:8081", "address of /healthz and /readyz")
	flag.BoolVar(&told.masquerade, "ip-masq", false, "masquerade what leaves the pods' network")
	says := flag.Bool("version", false, "print the version and end")
	flag.Parse()
	if *says {
		fmt.Println("flanneld", version.Version)
		return
	}
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, told)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "flanneld:", err)
		os.Exit(1)
	}
}

// run sets the network up and keeps it so until ctx ends.
func run(ctx context.Context, told options) error {
	var ready atomic.Bool
	if err := serveHealth(ctx, told.health, &ready); err != nil {
		return err
	}
	const annotations = "flannel.alpha.coreos.com"
	manager, err := kube.NewSubnetManager(ctx, "", told.kubeconfig, annotations, told.netConf, true)
	if err != nil {
		return fmt.Errorf("asking Kubernetes for nodes: %w", err)
	}
	config, err := manager.GetNetworkConfig(ctx)
	if err != nil {
		return fmt.Errorf("reading the network configuration: %w", err)
	}
	if !config.EnableIPv4 || config.EnableIPv6 || !config.EnableNFTables {
		return errors.New("this flanneld has IPv4 and nftables only: EnableIPv4 and EnableNFTables true, EnableIPv6 false")
	}
	family, err := ipmatch.GetIPFamily(config.EnableIPv4, config.EnableIPv6)
	if err != nil {
		return err
	}
	external, err := ipmatch.LookupExtIface(told.iface, "", "", family, ipmatch.PublicIPOpts{})
	if err != nil {
		return fmt.Errorf("looking for the interface to other nodes: %w", err)
	}
	made, err := backend.NewManager(ctx, manager, external).GetBackend(config.BackendType)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	network, err := register(ctx, &group, made, config)
	if err != nil {
		return err
	}
	if err := rules(ctx, config, network, told.masquerade); err != nil {
		return err
	}
	lease := network.Lease()
	if err := manager.HandleSubnetFile(told.subnetFile, config, told.masquerade, lease.Subnet, ip.IP6Net{}, network.MTU()); err != nil {
		return fmt.Errorf("writing %s: %w", told.subnetFile, err)
	}
	fmt.Printf("pods %s by %s, MTU %d\n", lease.Subnet, external.IfaceAddr, network.MTU())
	ready.Store(true)
	group.Go(func() { network.Run(ctx) })
	err = manager.CompleteLease(ctx, lease, &group)
	group.Wait()
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// register tries until this node is in its network: it has no range until its kubelet has made the Node, and hab has
// noted the range there. The stock program ends, and what starts it again waits ever longer.
func register(ctx context.Context, group *sync.WaitGroup, made backend.Backend, config *subnet.Config) (backend.Network, error) {
	for said := ""; ; {
		network, err := made.RegisterNetwork(ctx, group, config)
		if err == nil {
			return network, nil
		}
		if err.Error() != said {
			said = err.Error()
			fmt.Fprintln(os.Stderr, "flanneld: registering this node:", said)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}

// rules has nftables let pods' packets through, and masquerade those that leave their network.
func rules(ctx context.Context, config *subnet.Config, network backend.Network, masquerade bool) error {
	var traffic nftables.NFTablesManager
	if err := traffic.Init(ctx); err != nil {
		return err
	}
	var none ip.IP4Net
	var none6 ip.IP6Net
	if masquerade {
		err := traffic.SetupAndEnsureMasqRules(ctx, config.Network, none, none, none6, none6, none6, network.Lease(), 0, false)
		if err != nil {
			return err
		}
	}
	traffic.SetupAndEnsureForwardRules(ctx, config.Network, none6, 0)
	return nil
}

// serveHealth answers /healthz as long as the program runs, and /readyz once the network is set up.
func serveHealth(ctx context.Context, address string, ready *atomic.Bool) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening for health checks: %w", err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	return nil
}
