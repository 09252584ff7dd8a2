# The smallest Rails application that survives each rotation action: see ../README.md. Run it by:
#   vwrap -P overlap -- puma -C puma.rb
require "action_controller/railtie"
require "json"
require "socket"

class Shop < Rails::Application
  config.eager_load = true
  config.logger = Logger.new($stderr)
  config.log_level = :warn
  config.secret_key_base = "of no session" # an application with sessions gets SECRET_KEY_BASE from vwrap.yaml
  config.hosts.clear
  routes.append { get "(*path)", to: "keys#show" }
end

class KeysController < ActionController::API
  def show
    render plain: "rails #{Process.pid} #{current["API_KEY"]}\n"
  end

  private

  # restart, overlap, exit: the environment is right for as long as this process lives. signal, none: new values are at
  # the live channel.
  def current
    return ENV unless ENV["VWRAP_LIVE"]

    UNIXSocket.open(ENV["VWRAP_LIVE"]) do |channel|
      channel.write("GET /v1/env HTTP/1.0\r\n\r\n")
      JSON.parse(channel.read.split("\r\n\r\n", 2).last)
    end
  end
end

# HUP: there are new values. Each request asks for them anyway; to Puma, which has set its own by now, it means to stop.
Signal.trap("HUP") {}

Shop.initialize!
run Shop
