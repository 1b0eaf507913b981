# Evaluates packaging/nix/module.nix with stand-ins for the functions of nixpkgs that it uses.
{ package, database }:
let
  lib = {
    mkEnableOption = text: { };
    mkOption = option: option;
    mkIf = condition: content: if condition then content else { };
    mkAfter = text: text;
    mapAttrsToList = f: set: map (name: f name set.${name}) (builtins.attrNames set);
    escapeShellArg = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] text}'";
    optionalString = condition: text: if condition then text else "";
    types = {
      package = "package";
      str = "str";
      bool = "bool";
      attrsOf = type: type;
    };
  };
  module = import ../nix/module.nix {
    inherit lib;
    config.services.influxdb2.boltkey = {
      enable = true;
      prune = false;
      inherit package database;
      credentials = {
        "tokens.toml" = "/run/secrets/tokens.toml";
        "telegraf.token" = "/run/secrets/telegraf.token";
      };
    };
  };
  service = module.config.systemd.services.influxdb2;
in
{
  inherit (service) preStart;
  inherit (service.serviceConfig) LoadCredential;
}
