import FuzzSupport
import HostCore
import Testing

/// The seeds of HostCore's fuzz targets and mutations of them. A target stops the process on what it should
/// never see; `Tests/Fuzz/run TARGET` then finds the input.
@Suite struct FuzzTests {
  @Test func controlHTTP() throws { try fuzz("http", fuzzControlHTTP) }
  @Test func httpServer() throws { try fuzz("server", fuzzHTTPServer) }
  @Test func httpClient() throws { try fuzz("client", fuzzHTTPClient) }
  @Test func callArguments() throws { try fuzz("call", fuzzCallArguments) }
  @Test func pluginFile() throws { try fuzz("plugin", fuzzPluginFile) }
  @Test func json() throws { try fuzz("json", fuzzJSON) }
  /// Fewer, since a schema may ask for a million steps.
  @Test func schema() throws { try fuzz("schema", mutations: 1000, fuzzSchema) }
  @Test func peerLink() throws { try fuzz("peers", fuzzPeerLink) }
  @Test func rpc() throws { try fuzz("rpc", fuzzRpc) }
  @Test func signature() throws { try fuzz("signature", fuzzSignature) }
}
