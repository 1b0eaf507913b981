# boltkey from the source of this checkout, with completions and man pages.
#
# Tried: parsed by nix-instantiate (packaging/test). Not tried: a build with nixpkgs.
{
  lib,
  rustPlatform,
  installShellFiles,
}:
let
  manifest = (lib.importTOML ../../Cargo.toml).package;
in
rustPlatform.buildRustPackage {
  pname = manifest.name;
  inherit (manifest) version;
  src = lib.cleanSource ../..;
  cargoLock.lockFile = ../../Cargo.lock;
  # The tests need a terminal, other users and a C compiler; the gate runs them.
  doCheck = false;
  nativeBuildInputs = [ installShellFiles ];
  postInstall = ''
    $out/bin/boltkey man --out man
    installManPage man/*.1
    for shell in bash fish zsh; do
      $out/bin/boltkey completions $shell > boltkey.$shell
    done
    installShellCompletion boltkey.{bash,fish,zsh}
  '';
  meta = {
    inherit (manifest) description;
    license = with lib.licenses; [ mit asl20 ];
    mainProgram = "boltkey";
    platforms = lib.platforms.unix;
  };
}
