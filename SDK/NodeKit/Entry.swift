public import CNodeABI

/// Exports a role that lives in another module, so that tests can import that one:
///
///     @main enum Entry: Plugin { typealias Exported = GatewayRole }
public protocol Plugin {
  associatedtype Exported: Role
}

extension Plugin {
  /// What `@main` runs. In a plugin nobody starts the program, so it serves to tell which role is exported.
  public static func main() { export(Exported.self) }
}

extension Role {
  /// What `@main` runs. In a plugin nobody starts the program, so it serves to tell which role is exported.
  public static func main() { export(Self.self) }
}

private nonisolated(unsafe) var exported: Result<PluginTable, RoleError>?

private func export<R: Role>(_ role: R.Type) {
  exported = Result { try PluginTable(role) }.mapError { RoleError($0) }
}

/// Run once, however often and from wherever the host asks.
private let plugin: Result<PluginTable, RoleError> = {
  _ = programEntry(0, nil)
  guard let exported else {
    return .failure(
      RoleError(.internal, "`@main` stands before a type that is no Role and no Plugin; put it before one"))
  }
  if case .success(let table) = exported { PluginTable.current = table }
  return exported
}()

/// What `@main` compiles to in the plugin's own module.
@_extern(c, "main")
private func programEntry(_ count: Int32, _ arguments: UnsafeMutableRawPointer?) -> Int32

@c @implementation
public func nh_plugin_query(
  _ offer: UnsafePointer<nh_host_offer>, _ table: UnsafeMutablePointer<UnsafePointer<nh_plugin>?>,
  _ error: UnsafeMutablePointer<nh_error>?
) -> nh_status {
  guard nh_offer_fits(offer) != 0 else { return nh_refuse_offer(error) }
  return attempt(error) { table.pointee = try plugin.get().pointer }
}
