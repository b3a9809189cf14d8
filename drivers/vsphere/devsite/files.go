package devsite

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The files in the site's directory.
const (
	infoFile     = "dev-vcenter.json"
	passwordFile = "vc.password"
	tokenFile    = "am.token"
	siteFile     = "site.hcl"
	certFile     = "vc.crt"
	keyFile      = "vc.key"
	logFile      = "dev-vcenter.log"
)

// Info is what the site tells about itself, in dev-vcenter.json.
type Info struct {
	URL         string         `json:"url"`
	Thumbprint  string         `json:"thumbprint"` // SHA-256 of the certificate, hex
	PID         int            `json:"pid"`
	Username    string         `json:"username"`
	Password    string         `json:"passwordFile"` // name of the file, in the same directory
	Site        string         `json:"site"`         // name of the configuration file
	VCenterPort int            `json:"vcenterPort"`
	ServerPort  int            `json:"serverPort"`  // for hotspare's own server
	HealthPorts map[string]int `json:"healthPorts"` // by VM
}

// ReadInfo reads what a site has told about itself in its directory.
func ReadInfo(dir string) (Info, error) {
	var info Info
	content, err := os.ReadFile(filepath.Join(dir, infoFile))
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(content, &info); err != nil {
		return info, fmt.Errorf("%s is damaged: %w; remove it", filepath.Join(dir, infoFile), err)
	}
	return info, nil
}

// ReadPassword reads the password of the site's account.
func ReadPassword(dir string) (string, error) {
	content, err := os.ReadFile(filepath.Join(dir, passwordFile))
	return strings.TrimSpace(string(content)), err
}

// prepare picks the ports once, and takes them again where the directory names some.
func prepare(dir string) (Info, error) {
	info, err := ReadInfo(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return info, err
	}
	if info.VCenterPort == 0 {
		ports, err := pickPorts(portCount + 2)
		if err != nil {
			return info, err
		}
		info.VCenterPort, info.ServerPort = ports[0], ports[1]
		info.HealthPorts = map[string]int{}
		for _, g := range groups {
			for _, vm := range g.vms {
				info.HealthPorts[vm.name] = ports[1+vm.port]
			}
		}
	}
	info.Password, info.Site = passwordFile, siteFile
	if !free(info.VCenterPort) {
		return info, fmt.Errorf("port %d of 127.0.0.1 is taken; stop what has it, or remove %s to pick others", info.VCenterPort, filepath.Join(dir, infoFile))
	}
	return info, nil
}

// pickPorts finds ports in a row that are free, below those that systems hand out by
// themselves: the services' ports are closed while their VMs are off.
func pickPorts(n int) ([]int, error) {
	for range 200 {
		offset, err := rand.Int(rand.Reader, big.NewInt(1200))
		if err != nil {
			return nil, err
		}
		base := 20000 + 10*int(offset.Int64())
		ports := []int{}
		for port := base; port < base+n && free(port); port++ {
			ports = append(ports, port)
		}
		if len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("found no %d free ports in a row on 127.0.0.1", n)
}

func free(port int) bool {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// keepSecret gives the secret in a file, and makes one where there is none.
func keepSecret(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err == nil && len(strings.TrimSpace(string(content))) > 0 {
		return strings.TrimSpace(string(content)), nil
	}
	random := make([]byte, 24)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	secret := hex.EncodeToString(random)
	return secret, writeFile(file, []byte(secret+"\n"))
}

// keepCertificate gives the server's certificate and its thumbprint, and makes one where
// there is none.
func keepCertificate(dir string) (tls.Certificate, string, error) {
	cert, key := filepath.Join(dir, certFile), filepath.Join(dir, keyFile)
	certificate, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		if err := makeCertificate(cert, key); err != nil {
			return certificate, "", err
		}
		if certificate, err = tls.LoadX509KeyPair(cert, key); err != nil {
			return certificate, "", err
		}
	}
	return certificate, fmt.Sprintf("%X", sha256.Sum256(certificate.Certificate[0])), nil
}

func makeCertificate(certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "hotspare development vCenter"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(10, 0, 0),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writeFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})); err != nil {
		return err
	}
	return writeFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// writeFile writes a file whole, readable by its owner only.
func writeFile(file string, content []byte) error {
	aside, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return err
	}
	_, err = aside.Write(content)
	err = errors.Join(err, aside.Close())
	if err == nil {
		err = os.Rename(aside.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(aside.Name()))
	}
	return nil
}

// write writes the configuration, and last what the site tells about itself.
func (s *Site) write(dir string) error {
	if err := writeFile(filepath.Join(dir, siteFile), []byte(s.Info.configuration())); err != nil {
		return err
	}
	text, err := json.MarshalIndent(s.Info, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, infoFile), append(text, '\n'))
}
