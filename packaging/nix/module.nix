# NixOS module: makes the store of services.influxdb2 match a list before each start of the server.
#
#   imports = [ ./module.nix ];
#   services.influxdb2.enable = true;
#   services.influxdb2.boltkey = {
#     enable = true;
#     package = pkgs.callPackage ./package.nix { };
#     credentials = {
#       "tokens.toml" = "/run/secrets/tokens.toml";
#       "telegraf.token" = "/run/secrets/telegraf.token";
#     };
#   };
#
# Paths in the list are relative to it: every secret file that it names is a credential. Without a
# store nothing is applied; influxd or `boltkey setup` makes the store.
#
# Tried: the script, evaluated from this file with stand-ins for nixpkgs' functions (packaging/test).
# Not tried: a NixOS system.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.influxdb2.boltkey;
in
{
  options.services.influxdb2.boltkey = {
    enable = lib.mkEnableOption "applying a list of tokens before influxd starts";
    package = lib.mkOption {
      type = lib.types.package;
      description = "The package with bin/boltkey.";
    };
    database = lib.mkOption {
      type = lib.types.str;
      default = "/var/lib/influxdb2/influxd.bolt";
      description = "The store of the server.";
    };
    credentials = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      description = "Files for the service, by name: tokens.toml and the secret files that it names.";
    };
    prune = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Delete tokens that an earlier run made and the list no longer names.";
    };
  };

  config = lib.mkIf cfg.enable {
    systemd.services.influxdb2 = {
      serviceConfig.LoadCredential = lib.mapAttrsToList (name: file: "${name}:${file}") cfg.credentials;
      preStart = lib.mkAfter ''
        if [ -e ${lib.escapeShellArg cfg.database} ]; then
          ${cfg.package}/bin/boltkey apply "$CREDENTIALS_DIRECTORY/tokens.toml" --db ${lib.escapeShellArg cfg.database} --yes${lib.optionalString cfg.prune " --prune"}
        fi
      '';
    };
  };
}
