/// The version of host, tools and SDK, which are released together.
package enum HostVersion {
  package static let text = "0.1.0"
}
