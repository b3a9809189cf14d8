package vsphere

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// fileLimit bounds the small files that this driver reads: manifests, records, markers.
const fileLimit = 16 << 20

// errNoFile says that a file does not exist.
var errNoFile = errors.New("there is no such file")

// readFile reads a small file from a datastore; errNoFile where there is none.
func (cl *client) readFile(ctx context.Context, at datastorePath) ([]byte, error) {
	var content []byte
	err := cl.request(ctx, http.MethodGet, at, nil, func(response *http.Response) error {
		switch response.StatusCode {
		case http.StatusOK:
		case http.StatusNotFound:
			return errNoFile
		default:
			return fmt.Errorf("read %s: %s", at, response.Status)
		}
		var err error
		content, err = io.ReadAll(io.LimitReader(response.Body, fileLimit+1))
		if err == nil && len(content) > fileLimit {
			err = fmt.Errorf("read %s: it is larger than %d bytes", at, fileLimit)
		}
		return err
	})
	return content, err
}

// writeFile writes a small file whole: aside first, then moved over the old one, so that
// a crash leaves the old content or the new.
func (cl *client) writeFile(ctx context.Context, at datastorePath, content []byte) error {
	if err := cl.makeDirectory(ctx, at.dir()); err != nil {
		return err
	}
	aside := at.aside()
	err := cl.request(ctx, http.MethodPut, aside, content, func(response *http.Response) error {
		if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusCreated {
			return fmt.Errorf("write %s: %s", aside, response.Status)
		}
		return nil
	})
	if err != nil {
		return err
	}
	datacenter := cl.places.datacenter.Reference()
	response, err := methods.MoveDatastoreFile_Task(ctx, cl.vim, &types.MoveDatastoreFile_Task{
		This:       *cl.vim.ServiceContent.FileManager,
		SourceName: aside.String(), SourceDatacenter: &datacenter,
		DestinationName: at.String(), DestinationDatacenter: &datacenter,
		Force: types.NewBool(true),
	})
	if err != nil {
		return err
	}
	_, err = cl.await(ctx, response.Returnval, nil, "")
	return err
}

func (cl *client) request(ctx context.Context, method string, at datastorePath, content []byte, use func(*http.Response) error) error {
	url := object.NewDatastoreURL(*cl.settings.url, cl.places.datacenter.InventoryPath, at.datastore, at.path)
	return cl.session.do(ctx, func(ctx context.Context) (*http.Request, error) {
		request, err := http.NewRequestWithContext(ctx, method, url.String(), bytes.NewReader(content))
		if err != nil {
			return nil, err
		}
		request.Header.Set("Content-Type", "application/octet-stream")
		return request, nil
	}, use)
}

// makeDirectory makes a folder and those above it. One that exists is success.
func (cl *client) makeDirectory(ctx context.Context, at datastorePath) error {
	datacenter := cl.places.datacenter.Reference()
	_, err := methods.MakeDirectory(ctx, cl.vim, &types.MakeDirectory{
		This: *cl.vim.ServiceContent.FileManager, Name: at.String(), Datacenter: &datacenter,
		CreateParentDirectories: types.NewBool(true),
	})
	if _, exists := vimFault(err).(*types.FileAlreadyExists); exists {
		return nil
	}
	return err
}

// aside is where a file is written before it is moved into its place.
func (p datastorePath) aside() datastorePath { return datastorePath{p.datastore, p.path + ".new"} }

// deleteWritten deletes what writeFile wrote, whole or cut off. Looking first is cheaper
// than deleting what is not there.
func (cl *client) deleteWritten(ctx context.Context, at datastorePath) error {
	for _, file := range []datastorePath{at.aside(), at} {
		_, err := cl.readFile(ctx, file)
		if errors.Is(err, errNoFile) {
			continue
		}
		if err == nil {
			err = cl.deleteFile(ctx, file)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// deleteFile deletes one file. One that does not exist is success.
func (cl *client) deleteFile(ctx context.Context, at datastorePath) error {
	datacenter := cl.places.datacenter.Reference()
	response, err := methods.DeleteDatastoreFile_Task(ctx, cl.vim, &types.DeleteDatastoreFile_Task{
		This: *cl.vim.ServiceContent.FileManager, Name: at.String(), Datacenter: &datacenter,
	})
	if err == nil {
		_, err = cl.await(ctx, response.Returnval, nil, "")
	}
	if isFileMissing(err) {
		return nil
	}
	return err
}

// deleteDisk deletes a disk with all its files. One that does not exist is success.
func (cl *client) deleteDisk(ctx context.Context, at datastorePath) error {
	datacenter := cl.places.datacenter.Reference()
	response, err := methods.DeleteVirtualDisk_Task(ctx, cl.vim, &types.DeleteVirtualDisk_Task{
		This: *cl.vim.ServiceContent.VirtualDiskManager, Name: at.String(), Datacenter: &datacenter,
	})
	if err == nil {
		_, err = cl.await(ctx, response.Returnval, nil, "deleting "+at.String())
	}
	if isFileMissing(err) {
		return nil
	}
	return err
}

// diskExists reports whether there is a disk at an endpoint. Only FileNotFound counts as
// no: a disk in use, or without a UUID, exists.
func (cl *client) diskExists(ctx context.Context, endpoint string) (bool, error) {
	datacenter := cl.places.datacenter.Reference()
	_, err := methods.QueryVirtualDiskUuid(ctx, cl.vim, &types.QueryVirtualDiskUuid{
		This: *cl.vim.ServiceContent.VirtualDiskManager, Name: endpoint, Datacenter: &datacenter,
	})
	switch vimFault(err).(type) {
	case nil:
		return err == nil, err
	case *types.FileNotFound:
		return false, nil
	case types.BaseFileFault:
		return true, nil
	default:
		return false, err
	}
}

// listFiles lists the files in one folder that match a pattern. A folder that does not
// exist has none.
func (cl *client) listFiles(ctx context.Context, at datastorePath, pattern string) ([]string, error) {
	var store mo.Datastore
	if err := cl.readDatastore(ctx, at.datastore, []string{"browser"}, &store); err != nil {
		return nil, err
	}
	response, err := methods.SearchDatastore_Task(ctx, cl.vim, &types.SearchDatastore_Task{
		This: store.Browser, DatastorePath: at.String(),
		SearchSpec: &types.HostDatastoreBrowserSearchSpec{MatchPattern: []string{pattern}},
	})
	if err != nil {
		return nil, err
	}
	result, err := cl.await(ctx, response.Returnval, nil, "")
	if isFileMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	if found, ok := result.(types.HostDatastoreBrowserSearchResults); ok {
		for _, file := range found.File {
			names = append(names, file.GetFileInfo().Path)
		}
	}
	return names, nil
}
