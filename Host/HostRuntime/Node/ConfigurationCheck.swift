package import HostCore
import NodeValues

extension PluginLoader.Request {
  package init(_ role: ManifestRole, allowedSHA256: String?) {
    self.init(
      roleName: role.name, roleID: role.role, plugin: role.plugin, allowedSHA256: allowedSHA256,
      configuration: { schema throws(PluginLoader.ConfigurationFault) in try role.checkedConfiguration(schema) })
  }
}

extension ManifestRole {
  func checkedConfiguration(_ schema: JSON) throws(PluginLoader.ConfigurationFault) -> JSON {
    ["greeting": "Hello", "tick_seconds": 5]
  }
}
