# Unleash's Ruby SDK as a contract program (`ensign_testkit.programs` says what it answers).
require 'json'
require 'logger'
require 'unleash'
require 'unleash/context'
require 'unleash/variant'

given = JSON.parse(ARGV[0])
client = Unleash::Client.new(
  url: given['url'], app_name: given['app'], custom_http_headers: { 'Authorization' => given['token'] },
  refresh_interval: 1, metrics_interval: 1, backup_file: "#{given['folder']}/backup.json", logger: Logger.new($stderr)
)
contexts = given['contexts'].map { |one| Unleash::Context.new(user_id: one['userId'], properties: one['properties']) }

def say(value)
  puts value.to_json
  $stdout.flush
end

# Without a fallback this version raises for every flag that it knows.
NONE = Unleash::Variant.new(name: 'disabled', enabled: false)

def answer(client, flag, context)
  variant = client.get_variant(flag, context, NONE)
  [client.is_enabled?(flag, context), variant.name, variant.payload]
rescue TypeError, NoMethodError => e # of a flag with an operator that it does not know
  warn "#{flag}: #{e.message}"
  [nil, nil, nil]
end

say 'ready'
$stdin.each_line(chomp: true) do |line|
  case line
  when 'watch' then say client.is_enabled?(given['watch'], contexts[0])
  when 'answers' then say(given['flags'].map { |flag| contexts.map { |context| answer(client, flag, context) } })
  when 'end'
    client.shutdown
    say 'ended'
    exit 0
  end
end
