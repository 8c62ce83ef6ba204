-- Ardour without its window: a session with one MIDI track, told by lines on standard input what to do.
--
--     ardour7-lua ardour_session.lua FOLDER
--
-- Says "ready" when the track is there, and "done" after each of: record SECONDS (where from), stop, quit.
local folder = arg[1]
io.stdout:setvbuf("line")

local function wait(condition)
  for _ = 1, 500 do
    if condition() then return end
    ARDOUR.LuaAPI.usleep(10000)
  end
  error("Ardour does not follow")
end

AudioEngine:set_backend("JACK", "daw", "")
local session = create_session(folder, "take", 48000)
assert(session, "no session")
-- Another thread of Ardour's connects the session's ports now, and libjack mixes up what two threads ask of the server.
ARDOUR.LuaAPI.usleep(500000)
local midi = ARDOUR.ChanCount(ARDOUR.DataType("midi"), 1)
local tracks = session:new_midi_track(
  midi, midi, true, ARDOUR.PluginInfo(), nil, nil, 1, "brain",
  ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, false)
for track in tracks:iter() do
  track:rec_enable_control():set_value(1, PBD.GroupControlDisposition.UseGroup)
end

local by = ARDOUR.TransportRequestSource.TRS_UI
local commands = {}

local function locate(seconds)
  local at = math.floor(tonumber(seconds) * 48000)
  session:request_locate(at, false, ARDOUR.LocateTransportDisposition.RollIfAppropriate, by)
  wait(function() return session:transport_sample() == at end)
end

local function play()
  session:request_roll(by)
  wait(function() return session:transport_rolling() end)
end

function commands.record(seconds)
  locate(seconds)
  session:maybe_enable_record(false)
  play()
end

function commands.stop()
  session:request_stop(false, false, by)
  wait(function() return not session:transport_rolling() end)
  ARDOUR.LuaAPI.usleep(300000) -- the take is written by another thread
  session:save_state("")
end

print("ready")
for line in io.lines() do
  local name, value = line:match("^(%S+)%s*(.*)$")
  if name == "quit" then break end
  commands[name](value)
  print("done")
end
close_session()
quit()
