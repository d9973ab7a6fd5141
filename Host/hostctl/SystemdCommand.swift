import Glibc
import HostCore

/// `hostctl systemd-unit`: a unit that runs a manifest as a service.
enum SystemdCommand {
  static func run(_ invocation: Invocation) throws(CommandFailure) {
    let given = invocation.arguments[0]
    guard let manifest = System.resolved(given) else { throw CommandFailure(given, "there is no such file") }
    guard let nodehost = System.besideThis("nodehost"), System.exists(nodehost) else {
      throw CommandFailure("nodehost is not beside this hostctl", remedy: "Install both into one folder.")
    }
    let folder = String(manifest[..<manifest.lastIndex(of: "/")!])
    let instance = invocation.value("instance").map { ["--instance", $0] } ?? []
    let words = ([nodehost, manifest] + instance).map(quoted).joined(separator: " ")
    try Output.write(
      """
      # Made by: hostctl systemd-unit \(given)
      # sudo install -m 644 THIS /etc/systemd/system/NAME.service; sudo systemctl enable --now NAME
      [Unit]
      Description=nodehost \(escaped(manifest))
      Wants=network-online.target
      After=network-online.target

      [Service]
      ExecStart=\(words)
      ExecReload=/bin/kill -HUP $MAINPID
      WorkingDirectory=\(escaped(folder.isEmpty ? "/" : folder))
      # NAME=VALUE lines: what the manifest takes from the environment, NODE_ID and keys among it. Mode 0600.
      EnvironmentFile=-\(escaped(manifest)).env
      \(invocation.value("user").map { "User=\($0)\n" } ?? "")Restart=always
      RestartSec=1
      # Roles drain before it ends.
      TimeoutStopSec=60
      LimitNOFILE=65536
      NoNewPrivileges=yes
      ProtectKernelTunables=yes
      ProtectControlGroups=yes
      PrivateTmp=yes

      [Install]
      WantedBy=multi-user.target

      """)
  }

  /// For a line of a unit, where `%` begins a specifier.
  private static func escaped(_ text: String) -> String {
    String(text.flatMap { $0 == "%" ? ["%", "%"] : $0 == "\n" ? [" "] : [$0] })
  }

  /// As one word of ExecStart, where `$` begins a variable and quotes and backslashes mean something.
  private static func quoted(_ word: String) -> String {
    let plain = escaped(word).allSatisfy { $0.isLetter || $0.isNumber || "/._-=:,[]%".contains($0) }
    if plain { return escaped(word) }
    let letters = escaped(word).flatMap { letter -> [Character] in
      switch letter {
      case "\"", "\\": ["\\", letter]
      case "$": ["$", "$"]
      default: [letter]
      }
    }
    return "\"" + String(letters) + "\""
  }
}
