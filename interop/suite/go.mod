module boltkey/interop/suite

go 1.25
