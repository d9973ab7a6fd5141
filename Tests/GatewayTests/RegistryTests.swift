import Testing

@testable import GatewayCore

@Suite struct RegistryTests {}
